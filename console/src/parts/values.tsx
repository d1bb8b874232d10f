// Values as text: money, time, sizes, and the state of a job.
import type { Schemas } from "../api";
import { useMessages, language } from "../i18n";
import { useStore } from "../store";

export type State = Schemas["JobSummary"]["state"];

const ENDED: State[] = ["succeeded", "failed", "cancelled"];

export const hasEnded = (state: State): boolean => ENDED.includes(state);

const LOCALES = { en: "en-GB", zh: "zh-CN" };

/** The browser's own variety of the language that is chosen, for times and numbers. */
export function useLocale(): string {
  const chosen = useStore(language);
  return navigator.languages.find((name) => name.startsWith(`${chosen}-`)) ?? LOCALES[chosen];
}

/** An amount as the API writes it: a decimal number, whose digits are all shown. */
export function Money({ amount, currency }: { amount: string; currency: string | null }) {
  const locale = useLocale();
  const digits = Math.max(2, amount.split(".")[1]?.length ?? 0);
  const options: Intl.NumberFormatOptions = {
    minimumFractionDigits: 2,
    maximumFractionDigits: Math.min(digits, 20),
  };
  if (currency) Object.assign(options, { style: "currency", currency });
  return <span class="number">{new Intl.NumberFormat(locale, options).format(Number(amount))}</span>;
}

/** A moment in the browser's time zone; `short` leaves the date out if it is today. */
export function Time({ at, short = false }: { at: string; short?: boolean }) {
  const locale = useLocale();
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  const text =
    short && isToday
      ? date.toLocaleTimeString(locale, { timeStyle: "medium" })
      : date.toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
  return (
    <time class="number" dateTime={at} title={date.toLocaleString(locale)}>
      {text}
    </time>
  );
}

/** A number of bytes. */
export function Bytes({ count }: { count: number }) {
  const locale = useLocale();
  const [value, unit] =
    count < 1e3 ? [count, "B"] : count < 1e6 ? [count / 1e3, "kB"] : [count / 1e6, "MB"];
  const text = value.toLocaleString(locale, { maximumFractionDigits: value < 10 ? 1 : 0 });
  return (
    <span class="number">
      {text} {unit}
    </span>
  );
}

export function StateBadge({ state }: { state: State }) {
  const { parts: t } = useMessages();
  return <span class={`badge badge-${state}`}>{t.states[state]}</span>;
}
