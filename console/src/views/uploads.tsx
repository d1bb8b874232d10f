// Uploads: files into the folder of a rule, and what became of each file of the inbox.
import { useEffect, useState } from "preact/hooks";
import { get, type Schemas } from "../api";
import { useMessages } from "../i18n";
import { useLoad } from "../load";
import { EmptyNote, ErrorNote, Loading } from "../parts/notes";
import { Bytes, Time } from "../parts/values";
import { hrefOf, replaceParams, useRoute } from "../router";
import { DropCard } from "./uploads-drop";

export type Account = Schemas["UploadAccount"];

const OUTCOMES: Account["outcome"][] = ["job", "none", "pending"];
const LIMIT = 25;
const EVERY_MS = 10_000;

export function Uploads() {
  const { uploads: t } = useMessages();
  const me = useLoad("me", (signal) => get("/v1/me", { signal }));
  const [round, setRound] = useState(0);
  if (!me.data) return me.error ? <ErrorNote error={me.error} retry={me.reload} /> : <Loading />;
  if (!me.data.may_upload) return <EmptyNote>{t.forbidden}</EmptyNote>;
  return (
    <div class="uploads">
      <DropCard onChange={() => setRound((n) => n + 1)} />
      <Inbox round={round} />
    </div>
  );
}

function Inbox({ round }: { round: number }) {
  const { uploads: t } = useMessages();
  const { params } = useRoute();
  const outcome = OUTCOMES.find((name) => name === params.get("outcome")) ?? "";
  const prefix = params.get("prefix") ?? "";
  const search = (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    replaceParams({
      outcome: String(form.get("outcome") ?? ""),
      prefix: String(form.get("prefix") ?? ""),
    });
  };
  return (
    <section class="inbox" aria-labelledby="inbox-title">
      <h2 id="inbox-title">{t.inbox}</h2>
      <form class="job-filters" onSubmit={search}>
        <label class="field">
          {t.filter.outcome}
          <select
            name="outcome"
            value={outcome}
            onChange={(event) => (event.target as HTMLSelectElement).form?.requestSubmit()}
          >
            <option value="">{t.filter.all}</option>
            {OUTCOMES.map((name) => (
              <option key={name} value={name}>
                {t.outcomes[name]}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          {t.filter.prefix}
          <input name="prefix" type="search" defaultValue={prefix} autocomplete="off" />
        </label>
        <button type="submit">{t.filter.search}</button>
      </form>
      <Accounts key={`${outcome} ${prefix}`} outcome={outcome} prefix={prefix} round={round} />
    </section>
  );
}

interface AccountsProps {
  outcome: Account["outcome"] | "";
  prefix: string;
  /** Changes when this page has uploaded a file. */
  round: number;
}

function Accounts({ outcome, prefix, round }: AccountsProps) {
  const { uploads: t } = useMessages();
  const [more, setMore] = useState<Account[]>([]);
  const [cursor, setCursor] = useState<string | null>();
  const [moreError, setMoreError] = useState<unknown>();
  const query = (after?: string | null) => ({
    limit: LIMIT,
    ...(outcome && { outcome }),
    ...(prefix && { prefix }),
    ...(after && { cursor: after }),
  });
  const first = useLoad(
    `uploads ${outcome} ${prefix} ${round}`,
    (signal) => get("/v1/uploads", { query: query(), signal }),
    (page) => (page.uploads.some((account) => account.outcome === "pending") ? EVERY_MS : 0),
  );
  const [page, setPage] = useState(first.data);
  useEffect(() => {
    if (!first.data) return;
    setPage(first.data);
    if (more.length === 0) setCursor(first.data.cursor);
  }, [first.data]);
  const loadMore = async () => {
    setMoreError(undefined);
    try {
      const next = await get("/v1/uploads", { query: query(cursor) });
      setMore((known) => [...known, ...next.uploads]);
      setCursor(next.cursor);
    } catch (error) {
      setMoreError(error);
    }
  };
  if (!page) {
    return first.error ? <ErrorNote error={first.error} retry={first.reload} /> : <Loading />;
  }
  const listed = distinct([...page.uploads, ...more]);
  return (
    <>
      <ErrorNote error={first.error} />
      {listed.length === 0 && !cursor ? (
        <EmptyNote>{outcome || prefix ? t.emptyFilter : t.empty}</EmptyNote>
      ) : (
        <AccountTable accounts={listed} />
      )}
      <ErrorNote error={moreError} />
      {cursor && (
        <button type="button" class="older" onClick={() => void loadMore()}>
          {t.more}
        </button>
      )}
    </>
  );
}

function distinct(accounts: Account[]): Account[] {
  return [...new Map(accounts.map((account) => [account.key, account])).values()];
}

function AccountTable({ accounts }: { accounts: Account[] }) {
  const { uploads: t } = useMessages();
  return (
    <div class="card upload-table">
      <table class="plain-table">
        <caption class="visually-hidden">{t.inbox}</caption>
        <thead>
          <tr>
            <th scope="col">{t.column.key}</th>
            <th scope="col">{t.column.outcome}</th>
            <th scope="col">{t.column.size}</th>
            <th scope="col">{t.column.at}</th>
          </tr>
        </thead>
        <tbody>
          {accounts.map((account) => (
            <tr key={account.key} data-key={account.key}>
              <th scope="row" class="upload-key">
                {account.key}
              </th>
              <td class="upload-fate">
                <Fate account={account} />
              </td>
              <td class="upload-size">
                <Bytes count={account.size} />
              </td>
              <td class="upload-at">
                <Time at={account.uploaded_at} short />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What became of a file: its jobs, or the reason why it has none. */
export function Fate({ account }: { account: Account }) {
  const { uploads: t } = useMessages();
  return (
    <>
      <span class={`badge badge-fate-${account.outcome}`}>{t.outcomes[account.outcome]}</span>
      {account.jobs.map((job) => (
        <a key={job.request_id} href={hrefOf("jobs", { job: job.request_id })}>
          {t.job} · {job.rule}
        </a>
      ))}
      {account.reason && <span>{t.reasons[account.reason]}</span>}
      {account.detail && account.reason !== "empty" && (
        <span class="muted small upload-detail">{account.detail}</span>
      )}
    </>
  );
}
