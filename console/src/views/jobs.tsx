// Jobs: the lanes, a live list with filters, and one job with its events.
import type { paths } from "../../generated/openapi";
import { useEffect, useState } from "preact/hooks";
import { get, type Schemas } from "../api";
import { useMessages } from "../i18n";
import { useLoad } from "../load";
import { EmptyNote, ErrorNote, Loading } from "../parts/notes";
import { hasEnded, StateBadge, Time, type State } from "../parts/values";
import { hrefOf, replaceParams, useRoute } from "../router";
import { JobDetail } from "./jobs/detail";
import { Lanes } from "./jobs/lanes";
import { SourceText, WaitText } from "./jobs/texts";

type Job = Schemas["JobSummary"];
type Page = Schemas["JobPage"];
type Query = NonNullable<paths["/v1/jobs"]["get"]["parameters"]["query"]>;

const STATES: State[] = [
  ...(["queued", "submitting", "running", "storing"] as const),
  ...(["succeeded", "failed", "cancelled"] as const),
];
const KINDS = ["vod.image", "vod.scene_image", "mps.image"] as const;
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
  const query: Query = {
    limit: LIMIT,
    ...(state && { state }),
    ...(kind && { kind }),
    ...(source && { source }),
  };
  const [pages, setPages] = useState(1);
  const { data, error, reload, isLoading } = useLoad(
    `${JSON.stringify(query)} ${pages}`,
    (signal) => newestPages(query, pages, signal),
    (page) => (page.jobs.every((job) => hasEnded(job.state)) ? IDLE_MS : BUSY_MS),
  );
  const [shown, setShown] = useState(data);
  useEffect(() => {
    if (data) setShown(data);
  }, [data]);
  if (!shown) return error ? <ErrorNote error={error} retry={reload} /> : <Loading />;
  const isFiltered = filters.state || filters.kind || filters.source;
  const note = <ErrorNote error={error} retry={reload} />;
  return (
    <>
      {data && note}
      {shown.jobs.length === 0 && !shown.cursor ? (
        <EmptyNote>{isFiltered ? t.emptyFilter : t.empty}</EmptyNote>
      ) : (
        <Table jobs={shown.jobs} filters={filters} />
      )}
      {!data && note}
      {shown.cursor && (
        <button
          type="button"
          class="older"
          disabled={isLoading && !data}
          onClick={() => setPages(pages + 1)}
        >
          {t.older}
        </button>
      )}
    </>
  );
}

/** Load the newest jobs, page by page; all pages that are shown are loaded again at intervals. */
async function newestPages(query: Query, count: number, signal: AbortSignal): Promise<Page> {
  let page = await get("/v1/jobs", { query, signal });
  for (let number = 1; number < count && page.cursor; number++) {
    const older = await get("/v1/jobs", { query: { ...query, cursor: page.cursor }, signal });
    page = { jobs: distinct([...page.jobs, ...older.jobs]), cursor: older.cursor };
  }
  return page;
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

/** The most important fact in the state of a job: why it waits, why it failed, or its images. */
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
  if (job.images > 0) return <span class="job-note">{t.images(job.images)}</span>;
  return null;
}
