// The events of a job, from its record.
import type { ComponentChildren } from "preact";
import type { Schemas } from "../../api";
import { useMessages, type Messages } from "../../i18n";
import { hasEnded, Time } from "../../parts/values";
import { SourceText, WaitText } from "./texts";

type Attempt = Schemas["Attempt"];
type Detail = Schemas["JobDetail"];
type Texts = Messages["jobs"];
type Tone = "good" | "bad" | "warn" | "now" | "";

interface Entry {
  at: string | null;
  title: string;
  tone: Tone;
  facts?: ComponentChildren;
}

export function Timeline({ job }: { job: Detail }) {
  const { jobs: t } = useMessages();
  return (
    <ol class="timeline">
      {entriesOf(job, t).map((entry, number) => (
        <li key={number} class={entry.tone && `timeline-${entry.tone}`}>
          <p class="timeline-title">{entry.title}</p>
          {entry.at && (
            <p class="muted small">
              <Time at={entry.at} short />
            </p>
          )}
          {entry.facts && <div class="timeline-facts">{entry.facts}</div>}
        </li>
      ))}
    </ol>
  );
}

function entriesOf(job: Detail, t: Texts): Entry[] {
  return [
    {
      at: job.created_at,
      title: t.event.accepted,
      tone: "",
      facts: <SourceText source={job.source} />,
    },
    ...job.attempts.flatMap((attempt) => attemptEntries(attempt, job, t)),
    ...presentEntries(job, t),
    ...endEntries(job, t),
    ...webhookEntries(job, t),
  ];
}

function attemptEntries(attempt: Attempt, job: Detail, t: Texts): Entry[] {
  const entries: Entry[] = [];
  if (attempt.submitted_at) {
    entries.push({
      at: attempt.submitted_at,
      title: t.event.sent(attempt.number),
      tone: "",
      facts: <AttemptFacts attempt={attempt} />,
    });
  }
  if (attempt.overdue_at) {
    entries.push({ at: attempt.overdue_at, title: t.event.overdue, tone: "warn" });
  }
  if (attempt.error) {
    entries.push({
      at: attempt.finished_at,
      title: t.event.attemptFailed(attempt.number),
      tone: "bad",
      facts: <ErrorFacts error={attempt.error} />,
    });
  } else if (attempt.finished_at) {
    const isOver = hasEnded(job.state) || job.state === "storing";
    entries.push({
      at: attempt.finished_at,
      title: t.event.vendorEnded,
      tone: isOver ? "" : "now",
      facts: <Fact name={t.fact.status} value={attempt.vendor_status} />,
    });
  }
  return entries;
}

/** What the job does now. */
function presentEntries(job: Detail, t: Texts): Entry[] {
  if (job.wait) {
    return [{ at: null, title: t.event.waiting, tone: "now", facts: <WaitText wait={job.wait} /> }];
  }
  if (job.state === "running") return [{ at: null, title: t.event.running, tone: "now" }];
  if (job.state === "storing") return [{ at: null, title: t.event.storing, tone: "now" }];
  return [];
}

function endEntries(job: Detail, t: Texts): Entry[] {
  const entries: Entry[] = [];
  if (job.delay) entries.push({ at: null, title: t.event.delay, tone: "warn", facts: job.delay });
  if (job.state === "succeeded" || job.state === "failed" || job.state === "cancelled") {
    const tones = { succeeded: "good", failed: "bad", cancelled: "" } as const;
    entries.push({
      at: job.updated_at,
      title: t.event.ended[job.state],
      tone: tones[job.state],
      facts:
        job.images.length > 0 ? t.event.stored(job.images.length) : <EndReason job={job} />,
    });
  }
  return entries;
}

/** Why a job ended, unless its last attempt shows the same error. */
function EndReason({ job }: { job: Detail }) {
  if (!job.error || job.attempts.at(-1)?.error?.message === job.error.message) return null;
  return <ErrorFacts error={job.error} />;
}

function webhookEntries(job: Detail, t: Texts): Entry[] {
  const { webhook } = job;
  if (!webhook) return [];
  const tries: Entry[] = webhook.tries.map((attempt) => {
    const isGood = attempt.status !== undefined && attempt.status < 300;
    return {
      at: attempt.at,
      title: isGood ? t.event.webhookTry : t.event.webhookFailed,
      tone: isGood ? "" : "warn",
      facts: (
        <span>
          {attempt.status ? `HTTP ${attempt.status}` : ""} {attempt.error ?? ""}
        </span>
      ),
    };
  });
  const tone = { pending: "now", delivered: "good", dead: "bad" } as const;
  const state: Entry = {
    at: null,
    title: `Webhook: ${t.event.webhook[webhook.state]}`,
    tone: tone[webhook.state],
    facts: <code>{webhook.url}</code>,
  };
  return hasEnded(job.state) ? [...tries, state] : tries;
}

function AttemptFacts({ attempt }: { attempt: Attempt }) {
  const { jobs: t } = useMessages();
  return (
    <>
      <Fact name={t.fact.task} value={attempt.task_id} />
      <Fact name={t.fact.request} value={attempt.request_id} />
      <Fact name={t.fact.session} value={attempt.session_id} />
      {attempt.error && attempt.may_be_billed && (
        <span class="badge badge-warning">{t.fact.mayBeBilled}</span>
      )}
    </>
  );
}

function ErrorFacts({ error }: { error: Schemas["JobError"] }) {
  const { jobs: t } = useMessages();
  return (
    <>
      <span>{error.message}</span>
      <Fact name={t.fact.code} value={error.code} />
      <Fact name={t.fact.request} value={error.request_id} />
      <span class="badge">{error.type}</span>
    </>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  if (!value) return null;
  return (
    <span>
      <span class="muted">{name}</span> <code>{value}</code>
    </span>
  );
}
