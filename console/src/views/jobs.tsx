// Jobs: the lanes, a live list with filters, and one job with all that happened to it.
import { useEffect, useState } from "preact/hooks";
import { get, type Schemas } from "../api";
import { useMessages } from "../i18n";
import { useLoad } from "../load";
import { EmptyNote, ErrorNote, Loading } from "../parts/notes";
import { hasEnded, StateBadge, Time, type State } from "../parts/values";
import { hrefOf, replaceParams, useRoute } from "../router";
import { JobDetail } from "./jobs-detail";
import { Lanes } from "./jobs-lanes";

export type Job = Schemas["JobSummary"];
type Page = Schemas["JobPage"];

const STATES: State[] = [
  ...(["queued", "submitting", "running", "storing"] as const),
  ...(["succeeded", "failed", "cancelled"] as const),
];
export const KINDS = ["vod.image", "vod.scene_image", "mps.image"] as const;
const LIMIT = 25;
const BUSY_MS = 5000;
const IDLE_MS = 15000;

type Kind = (typeof KINDS)[number];

interface Filters {
  state: State | "";
  kind: Kind | "";
  source: string;
}

export function Jobs() {
  const { params } = useRoute();
  const id = params.get("job");
  const filters: Filters = {
    state: STATES.find((state) => state === params.get("state")) ?? "",
    kind: KINDS.find((kind) => kind === params.get("kind")) ?? "",
    source: params.get("source") ?? "",
  };
  if (id) return <JobDetail id={id} back={hrefOf("jobs", { ...filters })} />;
  return (
    <div class="jobs">
      <Lanes />
      <FilterBar filters={filters} />
      <List key={JSON.stringify(filters)} filters={filters} />
    </div>
  );
}

function FilterBar({ filters }: { filters: Filters }) {
  const { jobs: t, parts } = useMessages();
  const set = (name: keyof Filters) => (event: Event) =>
    replaceParams({ ...filters, [name]: (event.target as HTMLSelectElement).value });
  const sources = ["call", "upload"];
  if (filters.source && !sources.includes(filters.source)) sources.push(filters.source);
  const nameOf = (source: string) =>
    source === "call" ? t.filter.calls : source === "upload" ? t.filter.uploads : source;
  return (
    <form class="job-filters" aria-label={t.filter.label} onSubmit={(event) => event.preventDefault()}>
      <Select label={t.filter.state} value={filters.state} onChange={set("state")}>
        {STATES.map((state) => (
          <option key={state} value={state}>
            {parts.states[state]}
          </option>
        ))}
      </Select>
      <Select label={t.filter.kind} value={filters.kind} onChange={set("kind")}>
        {KINDS.map((kind) => (
          <option key={kind} value={kind}>
            {kind}
          </option>
        ))}
      </Select>
      <Select label={t.filter.source} value={filters.source} onChange={set("source")}>
        {sources.map((source) => (
          <option key={source} value={source}>
            {nameOf(source)}
          </option>
        ))}
      </Select>
      {(filters.state || filters.kind || filters.source) && (
        <button type="button" class="quiet" onClick={() => replaceParams({})}>
          {t.filter.clear}
        </button>
      )}
    </form>
  );
}

interface SelectProps {
  label: string;
  value: string;
  onChange: (event: Event) => void;
  children: preact.ComponentChildren;
}

function Select({ label, value, onChange, children }: SelectProps) {
  const { jobs: t } = useMessages();
  return (
    <label class="field">
      {label}
      <select value={value} onChange={onChange}>
        <option value="">{t.filter.all}</option>
        {children}
      </select>
    </label>
  );
}

function List({ filters }: { filters: Filters }) {
  const { jobs: t } = useMessages();
  const { state, kind, source } = filters;
  const query = {
    limit: LIMIT,
    ...(state && { state }),
    ...(kind && { kind }),
    ...(source && { source }),
  };
  const newest = useLoad(
    JSON.stringify(query),
    (signal) => get("/v1/jobs", { query, signal }),
    (page) => (page.jobs.every((job) => hasEnded(job.state)) ? IDLE_MS : BUSY_MS),
  );
  const [jobs, setJobs] = useState<Job[]>();
  const [cursor, setCursor] = useState<string | null>();
  const [olderError, setOlderError] = useState<unknown>();
  const [isLoading, setLoading] = useState(false);
  const page = newest.data;
  useEffect(() => {
    if (!page) return;
    setJobs((known) => merged(page, known ?? []));
    setCursor((known) => (known === undefined ? page.cursor : known));
  }, [page]);

  const loadOlder = async () => {
    setLoading(true);
    setOlderError(undefined);
    try {
      const older = await get("/v1/jobs", { query: { ...query, ...(cursor && { cursor }) } });
      setJobs((known) => distinct([...(known ?? []), ...older.jobs]));
      setCursor(older.cursor);
    } catch (error) {
      setOlderError(error);
    } finally {
      setLoading(false);
    }
  };

  if (!jobs) {
    return newest.error ? <ErrorNote error={newest.error} retry={newest.reload} /> : <Loading />;
  }
  const isFiltered = filters.state || filters.kind || filters.source;
  return (
    <>
      <ErrorNote error={newest.error} retry={newest.reload} />
      {jobs.length === 0 && !cursor ? (
        <EmptyNote>{isFiltered ? t.emptyFilter : t.empty}</EmptyNote>
      ) : (
        <Table jobs={jobs} filters={filters} />
      )}
      <ErrorNote error={olderError} />
      {cursor && (
        <button type="button" class="older" disabled={isLoading} onClick={() => void loadOlder()}>
          {t.older}
        </button>
      )}
    </>
  );
}

/** The newest page, and what is known of older jobs. */
function merged(page: Page, known: Job[]): Job[] {
  const last = page.jobs.at(-1);
  if (page.cursor === null || !last) return page.jobs;
  return distinct([...page.jobs, ...known.filter((job) => job.created_at <= last.created_at)]);
}

function distinct(jobs: Job[]): Job[] {
  return [...new Map(jobs.map((job) => [job.request_id, job])).values()];
}

function Table({ jobs, filters }: { jobs: Job[]; filters: Filters }) {
  const { jobs: t } = useMessages();
  return (
    <div class="card job-table">
      <table>
        <caption class="visually-hidden">{t.list}</caption>
        <thead>
          <tr>
            <th scope="col">{t.column.state}</th>
            <th scope="col">{t.column.prompt}</th>
            <th scope="col">{t.column.model}</th>
            <th scope="col">{t.column.source}</th>
            <th scope="col">{t.column.created}</th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <Row key={job.request_id} job={job} filters={filters} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ job, filters }: { job: Job; filters: Filters }) {
  const { jobs: t } = useMessages();
  return (
    <tr>
      <td class="job-state">
        <StateBadge state={job.state} />
      </td>
      <td class="job-prompt">
        <a href={hrefOf("jobs", { ...filters, job: job.request_id })}>
          {job.prompt || <span class="muted">{t.noPrompt}</span>}
        </a>
        <Note job={job} />
      </td>
      <td class="job-model">
        {job.model}
        <span class="muted small">{job.kind}</span>
      </td>
      <td class="job-source">
        <SourceText source={job.source} />
      </td>
      <td class="job-created">
        <Time at={job.created_at} short />
      </td>
    </tr>
  );
}

/** What matters of a job in its state: why it waits, why it failed, what it made. */
function Note({ job }: { job: Job }) {
  const { jobs: t } = useMessages();
  if (job.wait) {
    return (
      <span class="job-note">
        <WaitText wait={job.wait} />
      </span>
    );
  }
  if (job.error) {
    return (
      <span class="job-note job-note-bad">
        {job.error.code && <code>{job.error.code}</code>} {job.error.message}
      </span>
    );
  }
  if (job.pictures > 0) return <span class="job-note">{t.images(job.pictures)}</span>;
  return null;
}

export function WaitText({ wait }: { wait: NonNullable<Job["wait"]> }) {
  const { jobs: t } = useMessages();
  return (
    <>
      {t.reasons[wait.reason]}
      {wait.ceiling && (
        <>
          {" "}
          <code>{wait.ceiling}</code>
        </>
      )}
      {wait.position !== null && ` · ${t.ahead(wait.position)}`}
      {wait.until && (
        <>
          {` · ${t.until} `}
          <Time at={wait.until} short />
        </>
      )}
    </>
  );
}

export function SourceText({ source }: { source: Schemas["JobSource"] }) {
  const { jobs: t } = useMessages();
  return (
    <span>
      <span class="muted small">{source.type === "call" ? t.fromCall : t.fromUpload}</span>{" "}
      {source.name}
    </span>
  );
}
