// A submitted request: its progress, and then its images beside its inputs.
import { useEffect, useState } from "preact/hooks";
import { ApiError, get, put, type Schemas } from "../../api";
import { useMessages } from "../../i18n";
import { useLoad } from "../../load";
import { DownloadButton } from "../../parts/download";
import { FileFrame } from "../../parts/file";
import { ImageFrame } from "../../parts/image";
import { useRenewal } from "../../parts/links";
import { ErrorNote, Loading } from "../../parts/notes";
import { Bytes, StateBadge, Time } from "../../parts/values";
import { hrefOf } from "../../router";

export interface Run {
  id: string;
  endpoint: string;
  /** The inputs that were chosen in this page. */
  inputs: File[];
  prompt: string;
  model: string;
  startedAt: number;
}

type Job = Schemas["JobDetail"];
type Status = Schemas["RequestStatus"];
type StatusPath = "/tencent-vod/v1/aigc-image/requests/{id}/status";
type CancelPath = "/tencent-vod/v1/aigc-image/requests/{id}/cancel";

const FIRST_MS = 1000;
const LONGEST_MS = 5000;

interface Watched {
  status: Status;
  /** The job, once it has ended. */
  job: Job | undefined;
}

async function watch(run: Run, signal: AbortSignal): Promise<Watched> {
  // The status of all kinds has the same form.
  const path = `${run.endpoint}/requests/{id}/status` as StatusPath;
  const status = (await get(path, { path: { id: run.id }, signal })) as Status;
  const isOver = status.status === "COMPLETED";
  const job = isOver ? await get("/v1/jobs/{id}", { path: { id: run.id }, signal }) : undefined;
  return { status, job };
}

/** Poll a request until it has ended: often at first, then every few seconds. */
export function useRun(run: Run) {
  return useLoad(run.id, (signal) => watch(run, signal), ({ job }) => {
    if (job) return undefined;
    return Math.min(LONGEST_MS, Math.max(FIRST_MS, (Date.now() - run.startedAt) / 10));
  });
}

export function RunPanel({ run }: { run: Run }) {
  const { playground: t } = useMessages();
  const { data, error, reload } = useRun(run);
  const job = data?.job;
  return (
    <section class="run" aria-label={t.stage}>
      <div aria-live="polite">
        {job ? <Ended job={job} run={run} reload={reload} /> : <Waiting run={run} status={data?.status} reload={reload} />}
      </div>
      {error && !error.isOffline && !job && <ErrorNote error={error} retry={reload} />}
    </section>
  );
}

// While it waits and runs

interface WaitingProps {
  run: Run;
  status: Status | undefined;
  reload: () => void;
}

function Waiting({ run, status, reload }: WaitingProps) {
  const { playground: t } = useMessages();
  const seconds = useSeconds(run.startedAt);
  if (!status) return <Loading />;
  const isRunning = status.status === "IN_PROGRESS";
  const position = status.queue_position;
  return (
    <div class="waiting">
      <div class="canvas">
        <span class="canvas-glow" aria-hidden="true" />
        <p class="waiting-state">
          {isRunning ? t.run.running : t.run.waiting}
          {!isRunning && position !== undefined && (
            <span class="muted"> · {position === 0 ? t.run.next : t.run.position(position)}</span>
          )}
        </p>
        <p class="muted small">
          <span class="number" aria-hidden="true">
            {t.run.took(String(seconds))}
          </span>{" "}
          {t.run.elapsed}
        </p>
        <Steps at={isRunning ? 2 : 1} />
      </div>
      <Reasons status={status} />
      <CancelButton run={run} done={reload} />
    </div>
  );
}

function useSeconds(since: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, []);
  return Math.max(0, Math.round((now - since) / 1000));
}

function Steps({ at }: { at: number }) {
  const { playground: t } = useMessages();
  const names = [t.run.accepted, t.run.waiting, t.run.running, t.run.ended];
  return (
    <ol class="steps">
      {names.map((name, number) => (
        <li key={name} class={number <= at ? "step-done" : ""} aria-current={number === at ? "step" : undefined}>
          <span class="visually-hidden">{name}</span>
        </li>
      ))}
    </ol>
  );
}

/** Why the request does not continue. */
function Reasons({ status }: { status: Status }) {
  const { playground: t } = useMessages();
  const { paused, deferred, delay, overdue_since } = status;
  return (
    <>
      {paused && (
        <div class="note note-warning">
          <p>{t.run.paused}</p>
          <p>
            <code>{paused.code}</code> {paused.message}
          </p>
          <p>
            <Time at={paused.since} short />
          </p>
        </div>
      )}
      {deferred && (
        <div class="note note-warning">
          <p>{t.run.deferred}</p>
          <p>
            <code>{deferred.reason}</code> <code>{deferred.ceiling}</code>
          </p>
        </div>
      )}
      {delay && (
        <div class="note note-warning">
          <p>{t.run.delay}</p>
          <p>{delay}</p>
        </div>
      )}
      {overdue_since && <p class="note note-warning">{t.run.overdue}</p>}
    </>
  );
}

function CancelButton({ run, done }: { run: Run; done: () => void }) {
  const { playground: t } = useMessages();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const cancel = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const path = `${run.endpoint}/requests/{id}/cancel` as CancelPath;
      await put(path, { path: { id: run.id } });
      done();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const isRefused = error instanceof ApiError && error.status === 400;
  return (
    <>
      <button type="button" disabled={isBusy} onClick={() => void cancel()}>
        {t.run.cancel}
      </button>
      {isRefused ? <p class="note">{t.run.cancelRefused}</p> : <ErrorNote error={error} />}
    </>
  );
}

// Its end

interface EndedProps {
  job: Job;
  run: Run;
  reload: () => void;
}

function Ended({ job, run, reload }: EndedProps) {
  const { playground: t } = useMessages();
  return (
    <>
      {job.state === "succeeded" && <Images job={job} run={run} reload={reload} />}
      {job.state === "failed" && <Failure job={job} />}
      {job.state === "cancelled" && <p class="note">{t.run.cancelled}</p>}
      {job.warnings.length > 0 && (
        <p class="note note-warning">
          {t.run.warnings}: {job.warnings.join("; ")}
        </p>
      )}
      <footer class="run-facts">
        <StateBadge state={job.state} />
        <span>{job.model}</span>
        <Took job={job} />
        <a href={hrefOf("jobs", { job: job.request_id })}>{t.run.open}</a>
      </footer>
      {job.prompt && <p class="run-prompt">{job.prompt}</p>}
    </>
  );
}

function Took({ job }: { job: Job }) {
  const { playground: t } = useMessages();
  const ms = Date.parse(job.updated_at) - Date.parse(job.created_at);
  return <span class="number">{t.run.took((ms / 1000).toFixed(1))}</span>;
}

function Failure({ job }: { job: Job }) {
  const { playground: t } = useMessages();
  const error = job.error;
  return (
    <div class="note note-error failure" role="alert">
      <p class="note-title">{error?.type === "moderated" ? t.run.moderated : t.run.failed}</p>
      <p>{error?.message}</p>
      <p class="note-facts">
        <code>{error?.type}</code>
        {error?.code && <code>{error.code}</code>}
        <code>{job.request_id}</code>
      </p>
      {error?.retryable && <p>{t.run.retryable}</p>}
    </div>
  );
}

function Images({ job, run, reload }: EndedProps) {
  const { playground: t } = useMessages();
  const [shown, setShown] = useState(0);
  const renew = useRenewal(reload);
  const image = job.images[shown] ?? job.images[0];
  if (!image) return null;
  const alt = job.prompt || t.run.output;
  return (
    <>
      <div class={`run-images ${run.inputs.length ? "run-images-pair" : ""}`}>
        {run.inputs.length > 0 && (
          <figure class="run-input">
            <figcaption>{t.run.input}</figcaption>
            {run.inputs.map((file, number) => (
              <FileFrame key={number} file={file} alt={t.run.input} />
            ))}
          </figure>
        )}
        <figure class="run-output">
          {run.inputs.length > 0 && <figcaption>{t.run.output}</figcaption>}
          <ImageFrame src={image.url} alt={alt} width={image.width} height={image.height} onError={renew} />
        </figure>
      </div>
      {job.images.length > 1 && (
        <ul class="strip">
          {job.images.map((other, number) => (
            <li key={other.file_name}>
              <button
                type="button"
                class="strip-item"
                aria-pressed={other === image}
                aria-label={`${number + 1} / ${job.images.length}`}
                onClick={() => setShown(number)}
              >
                <img src={other.url} alt="" onError={renew} />
              </button>
            </li>
          ))}
        </ul>
      )}
      <div class="run-image-bar">
        <span class="muted small number">
          {image.width} × {image.height} · <Bytes count={image.file_size} />
        </span>
        <DownloadButton job={job.request_id} image={image} />
      </div>
    </>
  );
}
