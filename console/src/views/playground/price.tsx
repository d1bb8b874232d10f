// What the task of the form would cost, by the service's own prices, or why that is not known.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { post, type ApiError, type Schemas } from "../../api";
import { useMessages } from "../../i18n";
import { useLoad } from "../../load";
import { Money } from "../../parts/values";
import type { Field } from "../../tasks/fields";
import { textOf, withStandIns, type Task, type Values } from "../../tasks/form";
import { useFieldName } from "./fields";

const PAUSE_MS = 600;

type EstimatePath = "/tencent-vod/v1/aigc-image/estimate";

export interface PriceProps {
  endpoint: string;
  fields: Field[];
  values: Values;
  task: Task;
}

/** Show the price of a task; texts and images that it still lacks do not change it. */
export function Price({ endpoint, fields, values, task }: PriceProps) {
  const open = fields.find(
    ({ type, isRequired, path }) => type === "choice" && isRequired && !textOf(values, path),
  );
  if (open) return <Unchosen field={open} />;
  return <Estimate asked={JSON.stringify([endpoint, withStandIns(fields, values, task)])} />;
}

function Unchosen({ field }: { field: Field }) {
  const { playground: t } = useMessages();
  return <NoPrice>{t.price.choose(useFieldName(field))}</NoPrice>;
}

/** The estimate of a task; `asked` has its endpoint and its body. */
function Estimate({ asked }: { asked: string }) {
  const settled = useSettled(asked);
  const load = (signal: AbortSignal) => {
    const [endpoint, body] = JSON.parse(settled) as [string, never];
    // All kinds have the same answer.
    return post(`${endpoint}/estimate` as EstimatePath, { body, signal });
  };
  // The function lets the call be repeated when the API is busy.
  const { data, error } = useLoad(settled, load, () => undefined);
  const last = useRef<{ data: typeof data; error: typeof error } | undefined>(undefined);
  if (data || error) last.current = { data, error };
  if (last.current?.error) return <Unknown error={last.current.error} />;
  return last.current?.data ? <Known estimate={last.current.data} /> : null;
}

/** Return a text once it has not changed for a while; the first one at once. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = window.setTimeout(() => setSettled(text), PAUSE_MS);
    return () => window.clearTimeout(timer);
  }, [text]);
  return settled;
}

function Unknown({ error }: { error: ApiError }) {
  const { playground: t } = useMessages();
  if (error.isOffline) return null; // the banner above the view says it
  return (
    <NoPrice>
      {t.price.none} {error.message}
    </NoPrice>
  );
}

function Known({ estimate }: { estimate: Schemas["Estimate"] }) {
  const { playground: t } = useMessages();
  if (estimate.cost === null) return <NoPrice>{t.price.unknown}</NoPrice>;
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

function NoPrice({ children }: { children: ComponentChildren }) {
  return <span class="no-price muted small">{children}</span>;
}
