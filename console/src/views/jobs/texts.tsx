// Why a job waits, and what caused it: shown in the list and on the page of a job.
import type { Schemas } from "../../api";
import { useMessages } from "../../i18n";
import { Time } from "../../parts/values";

export function WaitText({ wait }: { wait: NonNullable<Schemas["JobSummary"]["wait"]> }) {
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
