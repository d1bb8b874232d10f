// Usage: images and money by day, model, rule and key, and what is left of the limits.
import { useMemo } from "preact/hooks";
import { get, type Schemas } from "../api";
import { useMessages } from "../i18n";
import { useLoad } from "../load";
import { EmptyNote, ErrorNote, Loading } from "../parts/notes";
import { Money, Time, useLocale } from "../parts/values";
import { replaceParams, useRoute } from "../router";
import { Chart } from "./usage/chart";
import { groupsOf, totalOf, type Group, type GroupBy, type Measure, type Row } from "./usage/sums";

type Report = Schemas["UsageReport"];

const RANGES = [7, 31] as const;
const GROUPS: GroupBy[] = ["model", "source", "kind"];
const EVERY_MS = 60_000;
const DAY_MS = 86_400_000;
const MOST_CALLS = 20;

export function Usage() {
  const { usage: t } = useMessages();
  const { params } = useRoute();
  const days = params.get("days") === "31" ? 31 : 7;
  const by = GROUPS.find((group) => group === params.get("by")) ?? "model";
  const { data, error, reload } = useLoad(
    `usage ${days}`,
    (signal) => reportOf(days, signal),
    EVERY_MS,
  );
  const hasPrices = data?.currency != null;
  const measure: Measure = params.get("show") === "cost" && hasPrices ? "cost" : "images";
  const choose = (change: Record<string, string>) =>
    replaceParams({ days: String(days), by, show: measure, ...change });
  return (
    <div class="usage">
      <div class="usage-controls">
        <Choice label={t.range} value={String(days)} onChange={(value) => choose({ days: value })}>
          {RANGES.map((count) => [String(count), t.days(count)])}
        </Choice>
        {hasPrices && (
          <Choice label={t.measure} value={measure} onChange={(value) => choose({ show: value })}>
            {[["images", t.images], ["cost", t.cost]]}
          </Choice>
        )}
        <Choice label={t.group} value={by} onChange={(value) => choose({ by: value })}>
          {GROUPS.map((group) => [group, t.groups[group]])}
        </Choice>
      </div>
      <ErrorNote error={error} retry={reload} />
      {data ? <Content report={data} by={by} measure={measure} /> : !error && <Loading />}
    </div>
  );
}

/** Read the report of the last days, in as many calls as it needs. */
async function reportOf(days: number, signal: AbortSignal): Promise<Report> {
  const first = new Date(Date.now() - (days - 1) * DAY_MS).toISOString().slice(0, 10);
  let report = await get("/v1/usage", { query: { from: first }, signal });
  for (let calls = 1; !report.complete && calls < MOST_CALLS; calls++) {
    const last = report.usage.at(-1)?.day;
    if (!last || last === report.from) break;
    const rest = await get("/v1/usage", { query: { from: last }, signal });
    const known = report.usage.filter((row) => row.day < last);
    report = { ...rest, from: report.from, usage: [...known, ...rest.usage] };
  }
  return report;
}

interface ChoiceProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  children: (readonly [string, string] | string[])[];
}

function Choice({ label, value, onChange, children }: ChoiceProps) {
  return (
    <fieldset class="usage-choice">
      <legend>{label}</legend>
      <div>
        {children.map(([name, text]) => (
          <label key={name}>
            <input
              type="radio"
              name={label}
              value={name}
              checked={name === value}
              onChange={() => onChange(name ?? "")}
            />
            <span>{text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

interface ContentProps {
  report: Report;
  by: GroupBy;
  measure: Measure;
}

function Content({ report, by, measure }: ContentProps) {
  const { usage: t } = useMessages();
  const groups = useMemo(
    () => groupsOf(report.usage, by, measure, t.other),
    [report, by, measure, t],
  );
  const days = useMemo(() => daysOf(report), [report]);
  const title = t.chart(measure === "cost" ? t.cost : t.images, t.groups[by].toLowerCase());
  return (
    <>
      {!report.complete && <p class="note note-warning">{t.incomplete}</p>}
      <Totals report={report} />
      <section class="card usage-section" aria-label={title}>
        <h2>{title}</h2>
        {report.usage.length === 0 ? (
          <EmptyNote>{t.empty}</EmptyNote>
        ) : (
          <>
            <Chart days={days} groups={groups} title={title} />
            <Legend groups={groups} />
            <DayTable days={days} groups={groups} title={title} report={report} measure={measure} />
          </>
        )}
        <p class="muted small">{t.late}</p>
      </section>
      <Breakdown report={report} by={by} />
      <Limits report={report} />
    </>
  );
}

function daysOf(report: Report): string[] {
  const days = [];
  const last = Date.parse(report.to);
  for (let day = Date.parse(report.from); day <= last; day += DAY_MS) {
    days.push(new Date(day).toISOString().slice(0, 10));
  }
  return days;
}

function Totals({ report }: { report: Report }) {
  const { usage: t } = useMessages();
  const locale = useLocale();
  const total = totalOf(report.usage);
  const cost = report.currency && total.cost;
  const share = total.jobs ? total.succeeded / total.jobs : 0;
  const percent = share.toLocaleString(locale, { style: "percent", maximumFractionDigits: 1 });
  return (
    <div class="totals">
      <div class="card total">
        <b class="number">{total.images.toLocaleString(locale)}</b>
        <span>{t.total.images}</span>
      </div>
      <div class="card total">
        <b>{cost ? <Money amount={cost} currency={report.currency} /> : "–"}</b>
        <span>{t.total.cost}</span>
        {total.jobs_without_price > 0 && (
          <span class="small">
            {report.currency ? t.total.withoutPrice(total.jobs_without_price) : t.total.noPrices}
          </span>
        )}
      </div>
      <div class="card total">
        <b class="number">{total.jobs.toLocaleString(locale)}</b>
        <span>{t.total.jobs}</span>
        {total.jobs > 0 && <span class="small">{t.total.succeeded(percent)}</span>}
      </div>
    </div>
  );
}

function Legend({ groups }: { groups: Group[] }) {
  return (
    <ul class="legend">
      {groups.map((group, number) => (
        <li key={group.name}>
          <span class={`swatch series-${number + 1}`} aria-hidden="true" />
          {group.name}
        </li>
      ))}
    </ul>
  );
}

interface DayTableProps extends ContentProps {
  days: string[];
  groups: Group[];
  title: string;
}

function DayTable({ days, groups, title, report, measure }: Omit<DayTableProps, "by">) {
  const { usage: t } = useMessages();
  const show = (value: number) => <Amount value={value} measure={measure} report={report} />;
  return (
    <details>
      <summary>{t.table}</summary>
      <div class="table-scroll" tabIndex={0} role="region" aria-label={t.table}>
        <table class="plain-table number-table">
          <caption class="visually-hidden">{title}</caption>
          <thead>
            <tr>
              <th scope="col">{t.day}</th>
              {groups.map((group) => (
                <th key={group.name} scope="col">
                  {group.name}
                </th>
              ))}
              <th scope="col">{t.sum}</th>
            </tr>
          </thead>
          <tbody>
            {days.map((day) => (
              <tr key={day}>
                <th scope="row">{day}</th>
                {groups.map((group) => (
                  <td key={group.name}>{show(group.byDay.get(day) ?? 0)}</td>
                ))}
                <td>{show(groups.reduce((sum, group) => sum + (group.byDay.get(day) ?? 0), 0))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

interface AmountProps {
  value: number;
  measure: Measure;
  report: Report;
}

function Amount({ value, measure, report }: AmountProps) {
  const locale = useLocale();
  if (value === 0) return <span class="muted">0</span>;
  if (measure === "cost") return <Money amount={decimal(value)} currency={report.currency} />;
  return <span class="number">{value.toLocaleString(locale)}</span>;
}

/** Costs have at most six decimals; the sum of floats has none of its own. */
const decimal = (value: number): string => String(Number(value.toFixed(6)));

function Breakdown({ report, by }: { report: Report; by: GroupBy }) {
  const { usage: t } = useMessages();
  const locale = useLocale();
  const sums = useMemo(() => sumsBy(report.usage, by), [report, by]);
  if (sums.length === 0) return null;
  return (
    <div class="card usage-section">
      <h2>{t.groups[by]}</h2>
      <div class="table-scroll" tabIndex={0} role="region" aria-label={t.groups[by]}>
        <table class="plain-table number-table" data-table="breakdown">
          <thead>
            <tr>
              <th scope="col">{t.name}</th>
              <th scope="col">{t.images}</th>
              <th scope="col">{t.cost}</th>
              <th scope="col">{t.jobs}</th>
              <th scope="col">{t.succeeded}</th>
            </tr>
          </thead>
          <tbody>
            {sums.map(([name, sum]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="number">{sum.images.toLocaleString(locale)}</td>
                <td>
                  {report.currency && sum.cost ? (
                    <Money amount={sum.cost} currency={report.currency} />
                  ) : (
                    "–"
                  )}
                </td>
                <td class="number">{sum.jobs.toLocaleString(locale)}</td>
                <td class="number">{sum.succeeded.toLocaleString(locale)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function sumsBy(rows: Row[], by: GroupBy): [string, ReturnType<typeof totalOf>][] {
  return groupsOf(rows, by, "images", "", Infinity).map((group) => [
    group.name,
    totalOf(group.rows),
  ]);
}

function Limits({ report }: { report: Report }) {
  const { usage: t } = useMessages();
  const me = useLoad("me", (signal) => get("/v1/me", { signal }), EVERY_MS);
  return (
    <div class="limits">
      <section class="card usage-section" aria-label={t.ceilings}>
        <h2>{t.ceilings}</h2>
        {report.ceilings.length === 0 && <p class="muted small">{t.ceiling.none}</p>}
        {report.ceilings.map((ceiling) => (
          <CeilingBar key={ceiling.name} ceiling={ceiling} currency={report.currency} />
        ))}
      </section>
      <ErrorNote error={me.error} retry={me.reload} />
      {me.data && <KeyLimits me={me.data} />}
    </div>
  );
}

interface BarProps {
  name: string;
  limit: string;
  spent: string;
  reserved: string;
  left: string;
  resetsAt: string;
  currency: string | null | undefined;
}

function CeilingBar({
  ceiling,
  currency,
}: {
  ceiling: Schemas["Ceiling"];
  currency: string | null;
}) {
  const isMoney = ceiling.name.endsWith("/money");
  return (
    <Bar
      name={ceiling.name}
      limit={ceiling.limit}
      spent={ceiling.spent}
      reserved={ceiling.reserved}
      left={ceiling.left}
      resetsAt={ceiling.resets_at}
      currency={isMoney ? currency : undefined}
    />
  );
}

function Bar({ name, limit, spent, reserved, left, resetsAt, currency }: BarProps) {
  const { usage: t } = useMessages();
  const locale = useLocale();
  const share = (amount: string) => Math.min(100, (Number(amount) / Number(limit)) * 100 || 0);
  const used = Math.min(100, share(spent) + share(reserved));
  const percent = (used / 100).toLocaleString(locale, { style: "percent" });
  const show = (amount: string) =>
    currency === undefined ? (
      <span class="number">{Number(amount).toLocaleString(locale)}</span>
    ) : (
      <Money amount={amount} currency={currency} />
    );
  return (
    <div class="limit">
      <p class="limit-head">
        <span>{name}</span>
        <span>
          <b>{show(left)}</b> {t.ceiling.left} {show(limit)}
        </span>
      </p>
      <svg class="limit-bar" role="img" aria-label={t.ceiling.label(name, percent)}>
        <rect class="limit-spent" width={`${share(spent)}%`} height="100%" />
        <rect
          class="limit-reserved"
          x={`${share(spent)}%`}
          width={`${used - share(spent)}%`}
          height="100%"
        />
      </svg>
      <p class="muted small">
        {t.ceiling.spent} {show(spent)}
        {Number(reserved) > 0 && (
          <>
            {` · ${t.ceiling.reserved} `}
            {show(reserved)}
          </>
        )}
        {` · ${t.ceiling.resets} `}
        <Time at={resetsAt} />
      </p>
    </div>
  );
}

const LIMITS = ["budget_per_month", "jobs_per_day", "requests_per_minute"] as const;

function KeyLimits({ me }: { me: Schemas["Me"] }) {
  const { usage: t } = useMessages();
  const given = LIMITS.filter((name) => me[name] !== null);
  return (
    <section class="card usage-section" aria-label={t.key}>
      <h2>
        {t.key} <code>{me.name}</code>
      </h2>
      {given.length === 0 && <p class="muted small">{t.noLimits}</p>}
      {given.map((name) => {
        const limit = me[name] as Schemas["KeyLimit"];
        const spent = decimal(Number(limit.limit) - Number(limit.left));
        return (
          <Bar
            key={name}
            name={t.limits[name]}
            limit={limit.limit}
            spent={spent}
            reserved="0"
            left={limit.left}
            resetsAt={limit.resets_at}
            currency={name === "budget_per_month" ? me.currency : undefined}
          />
        );
      })}
    </section>
  );
}
