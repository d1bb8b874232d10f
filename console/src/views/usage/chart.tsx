// Stacked bars for each day, drawn by uPlot in the colours of the page. The table below the chart
// has the same numbers.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { useLocale } from "../../parts/values";
import type { Group } from "./sums";

const HEIGHT = 260;
/** Steps of the axis for images, of which there are no halves. */
const WHOLE_STEPS = Array.from({ length: 9 }, (_, power) =>
  [1, 2, 5].map((step) => step * 10 ** power),
).flat();
const dark = matchMedia("(prefers-color-scheme: dark)");

interface ChartProps {
  days: string[];
  groups: Group[];
  title: string;
}

export function Chart({ days, groups, title }: ChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const locale = useLocale();
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    let chart: uPlot | undefined;
    const draw = () => {
      chart?.destroy();
      const options = optionsOf(element, days, groups, locale);
      chart = new uPlot(options, stacked(days, groups), element);
    };
    draw();
    let width = element.clientWidth;
    const resize = new ResizeObserver(() => {
      if (element.clientWidth === width) return;
      width = element.clientWidth;
      chart?.setSize({ width, height: HEIGHT });
    });
    resize.observe(element);
    dark.addEventListener("change", draw);
    return () => {
      resize.disconnect();
      dark.removeEventListener("change", draw);
      chart?.destroy();
    };
  }, [days, groups, locale]);
  return <div class="chart" ref={frame} role="img" aria-label={title} />;
}

/** Each series is the sum of its group and those below it; the highest is drawn first. */
function stacked(days: string[], groups: Group[]): uPlot.AlignedData {
  const sums = new Array<number>(days.length).fill(0);
  const series = groups.map((group) =>
    days.map((day, number) => (sums[number] = (sums[number] ?? 0) + (group.byDay.get(day) ?? 0))),
  );
  return [days.map((_, number) => number), ...series.reverse()];
}

function optionsOf(
  element: HTMLElement,
  days: string[],
  groups: Group[],
  locale: string,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const bars = uPlot.paths.bars?.({ size: [0.7, 64], radius: 0.12 });
  const dayText = new Intl.DateTimeFormat(locale, {
    month: "short",
    day: "numeric",
    timeZone: "UTC",
  });
  const axis = {
    stroke: colour("--muted"),
    font: `12px ${style.fontFamily}`,
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    // The text of the last day is wider than its bar.
    padding: [12, 24, 0, 0],
    scales: {
      x: { time: false, range: [-0.6, days.length - 0.4] },
      y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] },
    },
    axes: [
      {
        ...axis,
        size: 32,
        grid: { show: false },
        space: 56,
        incrs: [1, 2, 5, 10],
        values: (_, numbers) =>
          numbers.map((number) => {
            const day = days[number];
            return day === undefined ? "" : dayText.format(new Date(day));
          }),
      },
      {
        ...axis,
        size: 56,
        ...(groups.every(({ sum }) => Number.isInteger(sum)) && { incrs: WHOLE_STEPS }),
        grid: { stroke: colour("--line"), width: 1 },
        values: (_, numbers) => numbers.map((number) => number.toLocaleString(locale)),
      },
    ],
    series: [
      {},
      ...groups.map((_, number) => ({
        fill: colour(`--series-${groups.length - number}`),
        width: 0,
        points: { show: false },
        ...(bars ? { paths: bars } : {}),
      })),
    ],
  };
}
