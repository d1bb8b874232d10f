// What a view shows in place of its content, or above it.
import type { ComponentChildren } from "preact";
import { ApiError } from "../api";
import { useMessages } from "../i18n";

/** An error, with the API's message and its facts; of a lost connection, only that it is lost. */
export function ErrorNote({ error, retry }: { error: unknown; retry?: () => void }) {
  const { parts: t } = useMessages();
  if (error === undefined || error === null) return null;
  const known = error instanceof ApiError ? error : undefined;
  const message = known?.isOffline ? t.error.offline : known ? known.message : String(error);
  return (
    <div class="note note-error" role="alert">
      <p class="note-title">{t.error.title}</p>
      <p>{message}</p>
      {known && !known.isOffline && <ErrorFacts error={known} />}
      {retry && (
        <button type="button" onClick={retry}>
          {t.error.retry}
        </button>
      )}
    </div>
  );
}

function ErrorFacts({ error }: { error: ApiError }) {
  const { parts: t } = useMessages();
  return (
    <p class="note-facts">
      {error.type && <code>{error.type}</code>}
      {error.field && (
        <span>
          {t.error.field} <code>{error.field}</code>
        </span>
      )}
      {error.requestId && (
        <span>
          {t.error.request} <code>{error.requestId}</code>
        </span>
      )}
    </p>
  );
}

export function EmptyNote({ children }: { children: ComponentChildren }) {
  return <div class="note note-empty">{children}</div>;
}

export function Loading() {
  const { parts: t } = useMessages();
  return (
    <div class="loading" role="status">
      <span class="spinner" aria-hidden="true" />
      {t.loading}
    </div>
  );
}
