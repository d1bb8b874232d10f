// One job: its events, its images, and the actions that the key is allowed.
import { useState } from "preact/hooks";
import { ApiError, get, post, put, type Schemas } from "../../api";
import { useMessages } from "../../i18n";
import { useLoad, type Loaded } from "../../load";
import { Confirm } from "../../parts/confirm";
import { CopyButton } from "../../parts/copy";
import { DownloadButton } from "../../parts/download";
import { ImageFrame } from "../../parts/image";
import { FRESH_MS, openRenewed, renewedLink, useRenewal } from "../../parts/links";
import { EmptyNote, ErrorNote, Loading } from "../../parts/notes";
import { Bytes, hasEnded, Money, StateBadge, Time } from "../../parts/values";
import { Words } from "../../parts/words";
import { hrefOf } from "../../router";
import { SourceText } from "./texts";
import { Timeline } from "./timeline";

type Detail = Schemas["JobDetail"];
type Operation = Detail["operations"][number];

const EVERY_MS = 2000;
const WEBHOOK_MS = 15000;
/** Types of errors after which no key may replay a job: the same task would fail again. */
const PERMANENT: ReadonlySet<string> = new Set(["refused", "moderated"]);
const CANCEL = {
  "vod.image": "/tencent-vod/v1/aigc-image/requests/{id}/cancel",
  "vod.scene_image": "/tencent-vod/v1/aigc-scene-image/requests/{id}/cancel",
  "mps.image": "/tencent-mps/v1/aigc-image/requests/{id}/cancel",
} as const;

/** Milliseconds until a job or its links may have changed; undefined if they will not. */
function nextLook(job: Detail): number | undefined {
  if (!hasEnded(job.state)) return EVERY_MS;
  if (job.webhook?.state === "pending") return WEBHOOK_MS;
  return job.images.length > 0 ? FRESH_MS : undefined;
}

export function JobDetail({ id, back }: { id: string; back: string }) {
  const { jobs: t } = useMessages();
  const loaded = useLoad(
    id,
    (signal) => get("/v1/jobs/{id}", { path: { id }, signal }),
    nextLook,
  );
  const job = loaded.data;
  return (
    <div class="job">
      <a class="back" href={back}>
        <span aria-hidden="true">←</span> {t.back}
      </a>
      {loaded.error?.status === 404 ? (
        <EmptyNote>{t.detail.notFound}</EmptyNote>
      ) : (
        <ErrorNote error={loaded.error} retry={loaded.reload} />
      )}
      {job ? <Content job={job} loaded={loaded} /> : !loaded.error && <Loading />}
    </div>
  );
}

interface ContentProps {
  job: Detail;
  loaded: Loaded<Detail>;
}

function Content({ job, loaded }: ContentProps) {
  const { jobs: t } = useMessages();
  return (
    <>
      <div class="job-head">
        <div>
          <h2>{job.prompt || job.model}</h2>
          <p class="muted">
            <StateBadge state={job.state} /> {job.model} · <Time at={job.created_at} />
          </p>
        </div>
        <Operations job={job} reload={loaded.reload} />
      </div>
      <div class="job-columns">
        <section class="card job-section" aria-label={t.detail.timeline}>
          <h3>{t.detail.timeline}</h3>
          <Timeline job={job} />
        </section>
        <div class="job-side">
          {job.images.length > 0 && <Images job={job} loaded={loaded} />}
          <About job={job} />
          <section class="card job-section" aria-label={t.detail.task}>
            <h3>
              {t.detail.task} <CopyButton text={JSON.stringify(job.task, null, 2)} />
            </h3>
            <pre tabIndex={0}>{JSON.stringify(job.task, null, 2)}</pre>
          </section>
        </div>
      </div>
    </>
  );
}

function Images({ job, loaded }: ContentProps) {
  const { jobs: t } = useMessages();
  const renew = useRenewal(loaded.reload);
  const open = (event: Event, image: Schemas["Image"]) => {
    if (Date.now() - loaded.loadedAt < FRESH_MS) return;
    event.preventDefault();
    void openRenewed(() => renewedLink(job.request_id, image.file_name), image.url);
  };
  return (
    <section class="card job-section" aria-label={t.detail.images}>
      <h3>{t.detail.images}</h3>
      <div class="job-images">
        {job.images.map((image) => (
          <figure key={image.file_name}>
            <a
              href={image.url}
              target="_blank"
              rel="noreferrer"
              onClick={(event) => open(event, image)}
            >
              <ImageFrame
                src={image.url}
                alt={job.prompt || image.file_name}
                width={image.width}
                height={image.height}
                onError={renew}
              />
            </a>
            <figcaption>
              <span class="number">
                {image.width} × {image.height} · <Bytes count={image.file_size} />
              </span>
              <DownloadButton job={job.request_id} image={image} />
            </figcaption>
          </figure>
        ))}
      </div>
    </section>
  );
}

function About({ job }: { job: Detail }) {
  const { jobs: t } = useMessages();
  const { source, place, estimate } = job;
  return (
    <section class="card job-section" aria-label={t.detail.about}>
      <h3>{t.detail.about}</h3>
      <dl class="facts">
        <dt>{t.detail.id}</dt>
        <dd>
          <code>{job.request_id}</code>
        </dd>
        <dt>{t.detail.kind}</dt>
        <dd>{job.kind}</dd>
        <dt>{t.filter.source}</dt>
        <dd>
          <SourceText source={source} />
        </dd>
        {source.key && (
          <>
            <dt>{t.detail.upload}</dt>
            <dd>
              <code>{source.key}</code>
            </dd>
          </>
        )}
        <dt>{t.detail.place}</dt>
        <dd>
          <code>
            {place.bucket}/{place.prefix}
          </code>
        </dd>
        <dt>{t.detail.cost}</dt>
        <dd>
          {estimate.cost ? (
            <Money amount={estimate.cost} currency={estimate.currency} />
          ) : (
            <span class="muted">{t.detail.costUnknown}</span>
          )}
        </dd>
        {job.priority !== 0 && (
          <>
            <dt>{t.detail.priority}</dt>
            <dd class="number">{job.priority}</dd>
          </>
        )}
        {job.start_by && (
          <>
            <dt>{t.detail.startBy}</dt>
            <dd>
              <Time at={job.start_by} />
            </dd>
          </>
        )}
        {job.warnings.length > 0 && (
          <>
            <dt>{t.detail.warnings}</dt>
            <dd>{job.warnings.join("; ")}</dd>
          </>
        )}
      </dl>
    </section>
  );
}

function Operations({ job, reload }: { job: Detail; reload: () => void }) {
  const { jobs: t } = useMessages();
  const [asked, setAsked] = useState<Operation>();
  const [done, setDone] = useState("");
  const me = useLoad("me", (signal) => get("/v1/me", { signal }));
  const act = async (operation: Operation) => {
    await carryOut(operation, job);
    setDone(t.done[operation]);
    reload();
  };
  const isPermanent = job.error !== null && PERMANENT.has(job.error.type);
  const cannotOperate =
    job.state === "failed" && !isPermanent && me.data?.may_operate === false;
  return (
    <div class="job-operations">
      <div class="job-buttons">
        {job.operations.map((operation) => (
          <button key={operation} type="button" onClick={() => setAsked(operation)}>
            {t.action[operation]}
          </button>
        ))}
        <a class="button" href={hrefOf("playground", { job: job.request_id })}>
          {t.action.again}
        </a>
      </div>
      <p class="small" role="status">
        {done}
      </p>
      {cannotOperate && (
        <p class="note">
          <Words text={t.cannotOperate} />
        </p>
      )}
      {asked && (
        <Question
          operation={asked}
          job={job}
          act={() => act(asked)}
          close={() => setAsked(undefined)}
        />
      )}
    </div>
  );
}

async function carryOut(operation: Operation, job: Detail): Promise<void> {
  const path = { id: job.request_id };
  if (operation === "restore") {
    await post("/v1/jobs/{id}/restore", { path });
  } else if (operation === "replay") {
    const last = job.attempts.at(-1);
    const body = { attempt: last?.number ?? 1, pay_again: last?.may_be_billed ?? false };
    await post("/v1/jobs/{id}/replay", { path, body });
  } else {
    await cancel(job);
  }
}

/** Cancel a job. If it has ended meanwhile, its state shows that, and no message is needed. */
async function cancel(job: Detail): Promise<void> {
  const url = CANCEL[job.kind as keyof typeof CANCEL];
  try {
    await put(url, { path: { id: job.request_id } });
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 400 && error.type === "")) throw error;
  }
}

interface QuestionProps {
  operation: Operation;
  job: Detail;
  act: () => Promise<void>;
  close: () => void;
}

function Question({ operation, job, act, close }: QuestionProps) {
  const { jobs: t } = useMessages();
  const c = t.confirm;
  const last = job.attempts.at(-1);
  const isBilled = last?.may_be_billed ?? false;
  const [title, yes] = {
    cancel: [c.cancelTitle, c.cancelYes],
    replay: [c.replayTitle, isBilled ? c.replayYesAgain : c.replayYes],
    restore: [c.restoreTitle, c.restoreYes],
  }[operation] as [string, string];
  return (
    <Confirm title={title} yes={yes} no={c.no} act={act} close={close}>
      {operation === "cancel" && <p>{job.state === "queued" ? c.cancelQueued : c.cancelRunning}</p>}
      {operation === "restore" && <p>{c.restoreText}</p>}
      {operation === "replay" && (
        <>
          {job.estimate.cost ? (
            <p>
              {c.replayCost}{" "}
              <b>
                <Money amount={job.estimate.cost} currency={job.estimate.currency} />
              </b>
            </p>
          ) : (
            <p>{c.replayCostUnknown}</p>
          )}
          {isBilled && <p class="note note-warning">{c.replayBilled(last?.number ?? 1)}</p>}
          {job.operations.includes("restore") && <p>{c.replayRestorable}</p>}
        </>
      )}
    </Confirm>
  );
}
