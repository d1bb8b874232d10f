// Sums of the rows of a usage report.
import type { Schemas } from "../../api";

export type Row = Schemas["UsageRow"];
export type Measure = "images" | "cost";
export type GroupBy = "model" | "source" | "kind";

export interface Group {
  name: string;
  rows: Row[];
  byDay: Map<string, number>;
  sum: number;
}

/** As many colours as a chart can tell apart; smaller groups are shown as one. */
const MOST_GROUPS = 6;

export function groupsOf(
  rows: Row[],
  by: GroupBy,
  measure: Measure,
  other: string,
  most = MOST_GROUPS,
): Group[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const name = nameOf(row, by);
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  const sorted = [...groups]
    .map(([name, members]) => group(name, members, measure))
    .sort((a, b) => b.sum - a.sum || a.name.localeCompare(b.name));
  if (sorted.length <= most) return sorted;
  const rest = sorted.slice(most - 1).flatMap((member) => member.rows);
  return [...sorted.slice(0, most - 1), group(other, rest, measure)];
}

export function totalOf(rows: Row[]) {
  const costs = rows.filter((row) => row.cost !== null);
  const sum = (pick: (row: Row) => number) => rows.reduce((total, row) => total + pick(row), 0);
  const cost = costs.reduce((total, row) => total + Number(row.cost), 0);
  return {
    jobs: sum((row) => row.jobs),
    succeeded: sum((row) => row.succeeded),
    images: sum((row) => row.images),
    jobs_without_price: sum((row) => row.jobs_without_price),
    cost: costs.length > 0 ? String(Number(cost.toFixed(6))) : null,
  };
}

function nameOf(row: Row, by: GroupBy): string {
  if (by === "model") return `${row.model} ${row.version}`.trim();
  return by === "source" ? row.source : row.kind;
}

function group(name: string, rows: Row[], measure: Measure): Group {
  const byDay = new Map<string, number>();
  for (const row of rows) {
    byDay.set(row.day, (byDay.get(row.day) ?? 0) + Number(row[measure] ?? 0));
  }
  const sum = [...byDay.values()].reduce((total, value) => total + value, 0);
  return { name, rows, byDay, sum };
}
