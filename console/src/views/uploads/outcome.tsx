// The outcome of an upload: shown beside a dropped file and in the list of the inbox.
import type { Schemas } from "../../api";
import { useMessages } from "../../i18n";
import { StateBadge } from "../../parts/values";
import { hrefOf } from "../../router";

/** The jobs of an upload with their states, or the reason why it has none. */
export function UploadOutcome({ account }: { account: Schemas["UploadAccount"] }) {
  const { uploads: t } = useMessages();
  return (
    <>
      {account.jobs.length === 0 && (
        <span class={`badge badge-outcome-${account.outcome}`}>{t.outcomes[account.outcome]}</span>
      )}
      {account.jobs.map((job) => (
        <span key={job.request_id} class="upload-job">
          {job.state ? (
            <StateBadge state={job.state} />
          ) : (
            <span class="badge">{t.unknownState}</span>
          )}{" "}
          <a href={hrefOf("jobs", { job: job.request_id })}>
            {t.job} · {job.rule}
          </a>
        </span>
      ))}
      {account.reason && <span>{t.reasons[account.reason]}</span>}
      {account.detail && account.reason !== "empty" && (
        <span class="muted small upload-detail">{account.detail}</span>
      )}
    </>
  );
}
