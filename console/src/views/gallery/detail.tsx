// One image, large: beside the file that it was made of, with its parameters.
import { useEffect, useRef } from "preact/hooks";
import { get, type Schemas } from "../../api";
import { useMessages } from "../../i18n";
import { useLoad } from "../../load";
import { DownloadButton } from "../../parts/download";
import { ImageFrame } from "../../parts/image";
import { useRenewal } from "../../parts/links";
import { ErrorNote, Loading } from "../../parts/notes";
import { Bytes, Time } from "../../parts/values";
import { hrefOf } from "../../router";
import { Compare } from "./compare";
import type { ListedImage } from "./images";

type Job = Schemas["JobDetail"];
type Image = Schemas["Image"];

export interface DetailProps {
  /** The job of the image and its number: `<request id>/<number>`. */
  id: string;
  /** The image if it is listed: it has the file that it was made of. */
  image: ListedImage | undefined;
  previous: (() => void) | undefined;
  next: (() => void) | undefined;
  /** Ask for new links of an image: those of the list may have expired. */
  renew: (image: ListedImage) => void;
  close: () => void;
}

export function Detail({ id, image, previous, next, renew, close }: DetailProps) {
  const { gallery: t } = useMessages();
  const [requestId = "", number = "1"] = id.split("/");
  const job = useLoad(requestId, (signal) =>
    get("/v1/jobs/{id}", { path: { id: requestId }, signal }),
  );
  const shown: Image | undefined = image ?? job.data?.images[Number(number) - 1];
  const renewJob = useRenewal(job.reload);
  const dialog = useDialog(id);
  const move = (event: KeyboardEvent) => {
    if ((event.target as Element).matches("input, textarea, select")) return;
    const step = { ArrowLeft: previous, ArrowRight: next }[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  };
  return (
    <dialog
      ref={dialog}
      class="gallery-detail"
      aria-label={t.detail}
      onKeyDown={move}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      <div class="gallery-detail-bar">
        <Step label={t.previous} text="←" act={previous} />
        <Step label={t.next} text="→" act={next} />
        <button type="button" class="quiet gallery-detail-close" onClick={close}>
          {t.close} <kbd aria-hidden="true">Esc</kbd>
        </button>
      </div>
      <div class="gallery-detail-body">
        <div class="gallery-detail-image">
          {shown && (
            <Large
              key={shown.url}
              image={shown}
              input={image?.input}
              alt={altOf(image, job.data, t)}
              onError={() => (image ? renew(image) : renewJob())}
            />
          )}
          {!shown && !job.error && <Loading />}
        </div>
        <div class="gallery-detail-side" aria-live="polite">
          {shown && <Actions image={shown} requestId={requestId} />}
          {job.error && <ErrorNote error={job.error} retry={job.reload} />}
          {shown && <Facts image={shown} listed={image} job={job.data} />}
        </div>
      </div>
    </dialog>
  );
}

/** Open the dialog over the page; give the focus back to the image that was shown last. */
function useDialog(id: string) {
  const dialog = useRef<HTMLDialogElement>(null);
  const last = useRef(id);
  last.current = id;
  useEffect(() => {
    dialog.current?.showModal();
    return () => {
      const item = document.getElementById(`image-${last.current}`);
      item?.scrollIntoView({ block: "nearest" });
      item?.focus();
    };
  }, []);
  return dialog;
}

function Step({ label, text, act }: { label: string; text: string; act?: (() => void) | undefined }) {
  return (
    <button type="button" class="quiet" aria-label={label} disabled={!act} onClick={act}>
      {text}
    </button>
  );
}

interface LargeProps {
  image: Image;
  input: ListedImage["input"] | undefined;
  alt: string;
  onError: () => void;
}

function Large({ input, ...props }: LargeProps) {
  if (input) return <Compare input={input} {...props} />;
  const { image, alt, onError } = props;
  const { url, width, height } = image;
  return <ImageFrame src={url} alt={alt} width={width} height={height} onError={onError} />;
}

function Actions({ image, requestId }: { image: Image; requestId: string }) {
  const { gallery: t } = useMessages();
  return (
    <div class="gallery-detail-actions">
      <a class="button primary" href={hrefOf("playground", { job: requestId })}>
        {t.again}
      </a>
      <DownloadButton job={requestId} image={image} />
      <a class="button" href={hrefOf("jobs", { job: requestId })}>
        {t.job}
      </a>
    </div>
  );
}

interface FactsProps {
  image: Image;
  listed: ListedImage | undefined;
  job: Job | undefined;
}

function Facts({ image, listed, job }: FactsProps) {
  const { gallery: t } = useMessages();
  const made = job ?? listed;
  const attempt = job?.attempts.at(-1);
  const ended = listed?.ended_at ?? attempt?.finished_at;
  const source = made?.source;
  return (
    <section class="gallery-facts">
      <h2>{t.howMade}</h2>
      {made?.prompt && <p class="gallery-facts-prompt">{made.prompt}</p>}
      <dl>
        <dt>{t.filter.model}</dt>
        <dd>
          {made?.model} <span class="muted">{made?.kind}</span>
        </dd>
        <dt>{t.size}</dt>
        <dd>
          {image.width} × {image.height} {t.pixels}, <Bytes count={image.file_size} />
        </dd>
        <dt>{t.file}</dt>
        <dd class="gallery-facts-key">{listed?.key ?? image.file_name}</dd>
        <dt>{t.filter.source}</dt>
        <dd>
          {source?.name} <span class="muted">{source?.type === "upload" ? source.key : ""}</span>
        </dd>
        {made && (
          <>
            <dt>{t.created}</dt>
            <dd>
              <Time at={made.created_at} />
            </dd>
          </>
        )}
        {ended && (
          <>
            <dt>{t.ended}</dt>
            <dd>
              <Time at={ended} />
            </dd>
          </>
        )}
        {image.labels.length > 0 && (
          <>
            <dt>{t.labels}</dt>
            <dd>{image.labels.join(", ")}</dd>
          </>
        )}
      </dl>
      {job && (
        <details>
          <summary>{t.task}</summary>
          <pre tabIndex={0}>{JSON.stringify(job.task, null, 2)}</pre>
        </details>
      )}
    </section>
  );
}

function altOf(image: ListedImage | undefined, job: Job | undefined, t: { noPrompt: string }): string {
  return job?.prompt || image?.prompt || t.noPrompt;
}
