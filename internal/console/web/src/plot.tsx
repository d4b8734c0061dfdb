// A plot by uPlot, over time or anything else that grows.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock } from "./format";
import { useTheme } from "./theme";

export interface Line {
  label: string;
  // color is a name of a variable of the style sheet, without its dashes.
  color: string;
  values: (number | null)[];
  fill?: boolean;
  // bound draws it dashed: what the others are held to.
  bound?: boolean;
  // stays is set where a value holds until the next one.
  stays?: boolean;
}

interface Props {
  time: number[];
  lines: Line[];
  format: (v: number) => string;
  label: string;
  height?: number;
  // along names the places of time where that is none.
  along?: (x: number) => string;
  // zero is what the axis calls 0.
  zero?: string;
  // max is the least top of the axis, so that noise does not look like a storm.
  max?: number;
}

// increments are what ticks can lie apart, in seconds: none is shorter, for
// clocks have no parts of one.
const increments = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

export function Plot({ time, lines, format, label, height = 120, along, zero = "0", max = 0 }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useRef<Props>({ time, lines, format, label });
  shown.current = { time, lines, format, label, along, max };
  const theme = useTheme();
  const shape = lines.map((l) => l.label + l.color).join() + theme + height;

  useEffect(() => {
    const element = box.current!;
    const axis = { stroke: css("dim"), grid: { stroke: css("grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const u = new uPlot(
      {
        width: element.clientWidth || 300,
        height,
        legend: { show: false },
        padding: [8, 22, 0, 0],
        cursor: { points: { size: 5 }, y: false, drag: { x: false, y: false } },
        scales: { x: { time: !along }, y: { range: (_u, _low, high) => [0, Math.max(high * 1.08, shown.current.max ?? 0, 1e-9)] } },
        axes: [
          { ...axis, size: 22, space: 76, incrs: along ? undefined : increments, values: (_u, ticks) => ticks.map((t) => along?.(t) ?? clock(t * 1000).slice(0, ticks.length > 1 && ticks[1] - ticks[0] < 60 ? 8 : 5)) },
          { ...axis, size: 54, space: 28, values: (_u, ticks) => ticks.map((v) => (v === 0 ? zero : shown.current.format(v))) },
        ],
        series: [
          {},
          ...lines.map((l) => ({
            label: l.label,
            stroke: css(l.color),
            width: 1.5,
            paths: l.stays ? uPlot.paths.stepped!({ align: 1 }) : undefined,
            dash: l.bound ? [5, 4] : undefined,
            fill: l.fill ? css(l.color) + "22" : undefined,
            points: { show: false },
            spanGaps: false,
          })),
        ],
        hooks: { setCursor: [(u) => point(u)] },
      },
      [time, ...lines.map((l) => l.values)] as uPlot.AlignedData,
      element,
    );
    const point = (u: uPlot) => {
      const t = tip.current;
      const i = u.cursor.idx;
      if (!t) return;
      const p = shown.current;
      if (i === null || i === undefined || p.time[i] === undefined) {
        t.hidden = true;
        return;
      }
      t.hidden = false;
      t.textContent = (p.along?.(p.time[i]) ?? clock(p.time[i] * 1000)) + "\n" + p.lines.map((l) => `${l.label} ${l.values[i] === null || l.values[i] === undefined ? "–" : p.format(l.values[i] as number)}`).join("\n");
      const left = u.cursor.left ?? 0;
      const right = left > u.width / 2;
      t.style.left = right ? "auto" : `${left + 66}px`;
      t.style.right = right ? `${u.width - left - 46}px` : "auto";
    };
    plot.current = u;
    const resize = new ResizeObserver(() => u.setSize({ width: element.clientWidth, height }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      u.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData([time, ...lines.map((l) => l.values)] as uPlot.AlignedData);
  }, [time.at(-1), time.length, lines.length]);

  const last = lines.map((l) => `${l.label} ${format(l.values.findLast((v) => v !== null) ?? 0)}`).join(", ");
  return (
    <div class="plot" role="img" aria-label={`${label}: ${last}`}>
      <div ref={box} />
      <div class="tip" ref={tip} hidden />
    </div>
  );
}

// Legend names the lines of a plot.
export function Legend({ lines }: { lines: Line[] }) {
  return (
    <ul class="legend">
      {lines.map((l) => (
        <li key={l.label}>
          <svg width="10" height="10" aria-hidden="true">
            {l.bound ? <path d="M0 5.5h4m2 0h4" stroke-width="2" stroke={`var(--${l.color})`} /> : <rect width="10" height="3" y="4" rx="1.5" fill={`var(--${l.color})`} />}
          </svg>
          {l.label}
        </li>
      ))}
    </ul>
  );
}
