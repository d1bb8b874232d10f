// Uploads: sends files to the folder of a rule, and lists the inbox with the outcome of each file.
import { useEffect, useState } from "preact/hooks";
import { get, type Schemas } from "../api";
import { useMessages } from "../i18n";
import { useLoad } from "../load";
import { EmptyNote, ErrorNote, Loading } from "../parts/notes";
import { Bytes, hasEnded, Time } from "../parts/values";
import { replaceParams, useRoute } from "../router";
import { useStore } from "../store";
import { DropCard } from "./uploads/drop";
import { chosenFiles } from "./uploads/list";
import { UploadOutcome } from "./uploads/outcome";
import type { Step } from "./uploads/send";

type Account = Schemas["UploadAccount"];

const OUTCOMES: Account["outcome"][] = ["job", "none", "pending"];
const LIMIT = 25;
const EVERY_MS = 5000;
/** Steps of a file that is in the inbox. */
const SENT: ReadonlySet<Step> = new Set(["sent", "working", "done"]);

export function Uploads() {
  const { uploads: t } = useMessages();
  const me = useLoad("me", (signal) => get("/v1/me", { signal }));
  const files = useStore(chosenFiles);
  if (!me.data) return me.error ? <ErrorNote error={me.error} retry={me.reload} /> : <Loading />;
  if (!me.data.may_upload) return <EmptyNote>{t.forbidden}</EmptyNote>;
  return (
    <div class="uploads">
      <DropCard />
      <Inbox sent={files.filter(({ step }) => SENT.has(step)).length} />
    </div>
  );
}

function Inbox({ sent }: { sent: number }) {
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
      <Accounts key={`${outcome} ${prefix}`} outcome={outcome} prefix={prefix} sent={sent} />
    </section>
  );
}

interface AccountsProps {
  outcome: Account["outcome"] | "";
  prefix: string;
  /** How many files this page has uploaded. */
  sent: number;
}

function Accounts({ outcome, prefix, sent }: AccountsProps) {
  const { uploads: t } = useMessages();
  // The cursor of each page. While a job runs, all pages that are shown are read again.
  const [cursors, setCursors] = useState<string[]>([""]);
  const query = (cursor: string) => ({
    limit: LIMIT,
    ...(outcome && { outcome }),
    ...(prefix && { prefix }),
    ...(cursor && { cursor }),
  });
  const { data, error, reload, isLoading } = useLoad(
    `uploads ${sent} ${cursors.length}`,
    (signal) =>
      Promise.all(cursors.map((cursor) => get("/v1/uploads", { query: query(cursor), signal }))),
    (pages) => (pages.some(({ uploads }) => uploads.some(isUnderWay)) ? EVERY_MS : 0),
  );
  const [pages, setPages] = useState(data);
  useEffect(() => {
    if (data) setPages(data);
  }, [data]);
  if (!pages) return error ? <ErrorNote error={error} retry={reload} /> : <Loading />;
  const listed = distinct(pages.flatMap(({ uploads }) => uploads));
  const next = pages.at(-1)?.cursor;
  const note = <ErrorNote error={error} retry={reload} />;
  return (
    <>
      {data && note}
      {listed.length === 0 && !next ? (
        <EmptyNote>{outcome || prefix ? t.emptyFilter : t.empty}</EmptyNote>
      ) : (
        <AccountTable accounts={listed} />
      )}
      {!data && note}
      {next && (
        <button
          type="button"
          class="older"
          disabled={isLoading && pages.length < cursors.length}
          onClick={() => setCursors([...cursors, next])}
        >
          {t.more}
        </button>
      )}
    </>
  );
}

/** Whether the outcome can change: the file is not processed, or one of its jobs has not ended. */
const isUnderWay = ({ outcome, jobs }: Account): boolean =>
  outcome === "pending" || jobs.some(({ state }) => state !== null && !hasEnded(state));

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
              <td class="upload-outcome">
                <UploadOutcome account={account} />
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
