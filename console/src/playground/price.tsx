// What a task would cost, by the service's own prices.
import { useEffect, useState } from "preact/hooks";
import { post, type Schemas } from "../api";
import { isOnline } from "../connection";
import { useMessages } from "../i18n";
import { Money } from "../parts/values";
import { useStore } from "../store";
import type { Task } from "../tasks/form";

const PAUSE_MS = 600;

type EstimatePath = "/tencent-vod/v1/aigc-image/estimate";

/** Show the estimate of a task; nothing while the task is not valid yet. */
export function Price({ endpoint, task }: { endpoint: string; task: Task }) {
  const { playground: t } = useMessages();
  const online = useStore(isOnline);
  const [estimate, setEstimate] = useState<Schemas["Estimate"]>();
  const text = JSON.stringify(task);
  useEffect(() => {
    if (!online) return;
    const abort = new AbortController();
    const ask = async () => {
      try {
        const body = JSON.parse(text) as never;
        // All kinds have the same answer.
        const path = `${endpoint}/estimate` as EstimatePath;
        setEstimate(await post(path, { body, signal: abort.signal }));
      } catch {
        if (!abort.signal.aborted) setEstimate(undefined);
      }
    };
    const timer = window.setTimeout(() => void ask(), PAUSE_MS);
    return () => {
      window.clearTimeout(timer);
      abort.abort();
    };
  }, [endpoint, text, online]);
  if (!estimate) return null;
  if (estimate.cost === null) return <span class="muted small">{t.price.unknown}</span>;
  return (
    <span class="price">
      {t.price.about} <Money amount={estimate.cost} currency={estimate.currency} />
      {estimate.images > 1 && estimate.per_image !== null && (
        <span class="muted small">
          {" "}
          {estimate.images} × <Money amount={estimate.per_image} currency={estimate.currency} />
        </span>
      )}
    </span>
  );
}
