// The card for uploads: files are sent to the folder of a rule, and their images are shown.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, type Schemas } from "../../api";
import { useMessages } from "../../i18n";
import { useLoad } from "../../load";
import { useFileUrl } from "../../parts/file";
import { ImageFrame } from "../../parts/image";
import { useRenewal } from "../../parts/links";
import { EmptyNote, ErrorNote, Loading } from "../../parts/notes";
import { Bytes, Money, StateBadge } from "../../parts/values";
import { hrefOf } from "../../router";
import { useStore } from "../../store";
import { BUCKET_REFUSED, UPLOAD_LOST } from "../../tasks/upload";
import { UploadOutcome } from "./outcome";
import { addFiles, chosenFiles, enteredPlace, removeFiles, sendStaged } from "./list";
import { isImage, TYPES, type Place, type Sent } from "./send";

type Rule = Schemas["Rule"];

export function DropCard() {
  const { uploads: t } = useMessages();
  const { data, error, reload } = useLoad("rules", (signal) => get("/v1/rules", { signal }));
  const place = useStore(enteredPlace);
  const { folder, metadata } = place;
  if (!data) return error ? <ErrorNote error={error} retry={reload} /> : <Loading />;
  const usable = data.rules.filter((rule) => rule.may_upload);
  if (usable.length === 0) return <EmptyNote>{t.noRules}</EmptyNote>;
  const rule = usable.find((candidate) => candidate.name === place.rule) ?? usable[0];
  if (!rule) return null;

  const enter = (changes: Partial<Place>) => enteredPlace.set({ ...place, ...changes });
  return (
    <section class="card drop-card" aria-labelledby="drop-title">
      <h2 id="drop-title">{t.drop.title}</h2>
      <div class="drop-columns">
        <div class="drop-form">
          <label class="field">
            {t.drop.rule}
            <select
              value={rule.name}
              onChange={(event) => enter({ rule: event.currentTarget.value })}
            >
              {data.rules.map((one) => (
                <option key={one.name} value={one.name} disabled={!one.may_upload}>
                  {one.name}
                  {!one.may_upload && ` (${one.type === "batch" ? t.drop.batch : t.drop.cannot})`}
                </option>
              ))}
            </select>
          </label>
          <RuleFacts rule={rule} />
          <label class="field">
            {t.drop.folder}
            <input
              value={folder}
              autocomplete="off"
              onInput={(event) => enter({ folder: event.currentTarget.value })}
            />
          </label>
          {rule.needs.map((name) => (
            <label key={name} class="field">
              {t.drop.metadata(name)}
              <input
                value={metadata[name] ?? ""}
                autocomplete="off"
                onInput={(event) =>
                  enter({ metadata: { ...metadata, [name]: event.currentTarget.value } })
                }
              />
            </label>
          ))}
        </div>
        <DropZone rule={rule} add={addFiles} />
      </div>
      <Files rule={rule} start={() => sendStaged({ ...place, rule: rule.name })} />
    </section>
  );
}

function RuleFacts({ rule }: { rule: Rule }) {
  const { uploads: t } = useMessages();
  const { estimate } = rule;
  const takes = [...rule.suffix, ...rule.glob, ...rule.content_type];
  return (
    <dl class="facts">
      <dt>{t.drop.into}</dt>
      <dd>
        <code>{rule.folder || "/"}</code>
      </dd>
      <dt>{t.drop.by}</dt>
      <dd>
        {rule.model} <span class="muted">{rule.kind}</span>
      </dd>
      {(takes.length > 0 || rule.max_bytes !== null || rule.min_bytes !== null) && (
        <>
          <dt>{t.drop.takes}</dt>
          <dd>
            {takes.join(" ")}{" "}
            {rule.min_bytes !== null && (
              <>
                {t.drop.atLeast} <Bytes count={rule.min_bytes} />
              </>
            )}{" "}
            {rule.max_bytes !== null && (
              <>
                {t.drop.atMost} <Bytes count={rule.max_bytes} />
              </>
            )}
          </dd>
        </>
      )}
      <dt>{t.drop.price}</dt>
      <dd>
        {estimate?.cost ? (
          <Money amount={estimate.cost} currency={estimate.currency} />
        ) : (
          <span class="muted">{t.drop.noPrice}</span>
        )}
      </dd>
    </dl>
  );
}

function DropZone({ rule, add }: { rule: Rule; add: (files: File[]) => void }) {
  const { uploads: t } = useMessages();
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useDropsElsewhere();
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    add([...(event.dataTransfer?.files ?? [])]);
  };
  return (
    <div
      class={`drop-zone ${isOver ? "drop-zone-over" : ""}`}
      onDragEnter={() => setOver(true)}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => {
        const zone = event.currentTarget as HTMLElement;
        if (!zone.contains(event.relatedTarget as Node | null)) setOver(false);
      }}
      onDrop={drop}
    >
      <p class="drop-here">{t.drop.here}</p>
      <p class="muted small">
        {t.drop.into} <code>{rule.folder || "/"}</code>
      </p>
      <p class="muted small">{t.drop.or}</p>
      <button type="button" onClick={() => input.current?.click()}>
        {t.drop.choose}
      </button>
      <input
        ref={input}
        type="file"
        class="visually-hidden"
        multiple
        accept={TYPES.join(",")}
        tabIndex={-1}
        aria-label={t.drop.choose}
        onChange={() => {
          add([...(input.current?.files ?? [])]);
          if (input.current) input.current.value = "";
        }}
      />
      <p class="muted small">{t.drop.formats}</p>
    </div>
  );
}

/** Ignore files that are dropped outside the zone: otherwise the browser leaves the page. */
function useDropsElsewhere(): void {
  useEffect(() => {
    const ignore = (event: DragEvent) => event.preventDefault();
    window.addEventListener("dragover", ignore);
    window.addEventListener("drop", ignore);
    return () => {
      window.removeEventListener("dragover", ignore);
      window.removeEventListener("drop", ignore);
    };
  }, []);
}

function Files({ rule, start }: { rule: Rule; start: () => void }) {
  const { uploads: t } = useMessages();
  const files = useStore(chosenFiles);
  if (files.length === 0) return null;
  const staged = files.filter((file) => file.step === "staged");
  const isFinished = (file: Sent) => file.step === "done" || file.step === "failed";
  const cost = rule.estimate?.cost;
  return (
    <div class="drop-files">
      <ul aria-label={t.drop.list}>
        {files.map((file) => (
          <FileRow key={file.id} file={file} remove={() => removeFiles(({ id }) => id === file.id)} />
        ))}
      </ul>
      <div class="drop-buttons">
        {staged.length > 0 && (
          <button type="button" class="primary" onClick={start}>
            {t.drop.start(staged.length)}
            {cost && (
              <span>
                · {t.drop.about}{" "}
                <Money
                  amount={String(Number((Number(cost) * staged.length).toFixed(6)))}
                  currency={rule.estimate?.currency ?? null}
                />
              </span>
            )}
          </button>
        )}
        {files.some(isFinished) && (
          <button type="button" class="quiet" onClick={() => removeFiles(isFinished)}>
            {t.drop.clear}
          </button>
        )}
      </div>
    </div>
  );
}

function FileRow({ file, remove }: { file: Sent; remove: () => void }) {
  const { uploads: t } = useMessages();
  const isOver = file.step === "staged" || file.step === "done" || file.step === "failed";
  return (
    <li class="drop-file" data-step={file.step}>
      <Preview file={file.file} />
      <div class="drop-file-text">
        <p class="drop-file-name">
          {file.file.name}{" "}
          <span class="muted small">
            <Bytes count={file.file.size} />
          </span>
        </p>
        <p class="small" role="status">
          <span class={`badge badge-step-${file.step}`}>{t.step[file.step]}</span>
        </p>
        {file.step === "sending" && (
          <progress max={1} value={file.progress} aria-label={t.step.sending} />
        )}
        {file.jobs.map((job) => (
          <p key={job.request_id} class="small">
            <StateBadge state={job.state} />{" "}
            <a href={hrefOf("jobs", { job: job.request_id })}>
              {t.job} · {job.source.name}
            </a>
          </p>
        ))}
        {file.account && file.account.outcome !== "job" && (
          <p class="small drop-outcome">
            <UploadOutcome account={file.account} />
          </p>
        )}
        <FileError error={file.error} />
      </div>
      <div class="drop-results">
        {file.jobs.map((job) => (
          <Results key={job.request_id} job={job} />
        ))}
      </div>
      {isOver && (
        <button
          type="button"
          class="quiet drop-remove"
          aria-label={t.drop.remove(file.file.name)}
          onClick={remove}
        >
          ×
        </button>
      )}
    </li>
  );
}

/** The images of a job. Their links are renewed, since they may expire while the list is shown. */
function Results({ job }: { job: Schemas["JobDetail"] }) {
  const [images, setImages] = useState(job.images);
  useEffect(() => setImages(job.images), [job]);
  const load = () => get("/v1/jobs/{id}", { path: { id: job.request_id } });
  const renew = useRenewal(() => {
    load().then((renewed) => setImages(renewed.images), () => undefined);
  });
  return (
    <>
      {images.map((image) => (
        <a key={image.file_name} href={hrefOf("jobs", { job: job.request_id })}>
          <ImageFrame
            src={image.url}
            alt={image.file_name}
            width={image.width}
            height={image.height}
            onError={renew}
          />
        </a>
      ))}
    </>
  );
}

function FileError({ error }: { error: unknown }) {
  const { uploads: t } = useMessages();
  if (error === undefined) return null;
  if (error === "wrongType") return <p class="field-error">{t.wrongType}</p>;
  const known = error instanceof ApiError ? error : undefined;
  const isRefused = known?.type === BUCKET_REFUSED;
  if (known?.type === "already_exists" || (isRefused && known.status === 409)) {
    return <p class="field-error">{t.exists}</p>;
  }
  if (isRefused) return <p class="field-error">{t.refused(known.status)}</p>;
  if (known?.type === UPLOAD_LOST) return <p class="field-error">{t.lost}</p>;
  return <ErrorNote error={error} />;
}

function Preview({ file }: { file: File }) {
  const url = useFileUrl(isImage(file) ? file : undefined);
  return <span class="drop-preview">{url && <img src={url} alt="" />}</span>;
}
