/** A long line over time with uPlot: zoom by dragging, by wheel and by keys; marks as dashed lines with letters. */

import uPlot from "uplot";

export interface Line {
  name: string;
  /** One value for each time; null where there is none. */
  values: ReadonlyArray<number | null>;
  dashed?: boolean;
}

export interface Drawn {
  /** Unix seconds, rising. */
  times: readonly number[];
  lines: readonly Line[];
  /** Where a horizontal line warns; its name stands in the legend's words. */
  alarm?: number;
  range?: readonly [number, number];
  marks: ReadonlyArray<{ at: number; letter: string }>;
}

const HEIGHT = 280;

/** CSS colours as the canvas needs them: resolved for the theme of now. */
function colour(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function axis(): uPlot.Axis {
  const grid = { stroke: colour("--line"), width: 1 };
  return { stroke: colour("--muted"), grid, ticks: grid, font: "12px system-ui, sans-serif" };
}

const CLOCK = uPlot.fmtDate("{HH}:{mm}");
const SECONDS = uPlot.fmtDate("{HH}:{mm}:{ss}");
const DAY = uPlot.fmtDate("{D} {MMM}");
const MINUTE = 60;
const WHOLE_DAY = 86_400;

/** Times of day, and the date below where the day is a new one. */
function clock(_: uPlot, splits: number[], __: number, ___: number, step: number): string[] {
  let before = "";
  return splits.map((at) => {
    const date = new Date(at * 1000);
    const day = DAY(date);
    const time = step >= WHOLE_DAY ? "" : step < MINUTE ? SECONDS(date) : CLOCK(date);
    const label = day === before ? time : time ? `${time}\n${day}` : day;
    before = day;
    return label;
  });
}

/** Local time, and UTC beside it. */
function moment(date: Date): string {
  return `${LOCAL(date)} (${date.toISOString().slice(0, 19).replace("T", " ")} UTC)`;
}

const LOCAL = uPlot.fmtDate("{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}");

export interface Plot {
  plot: uPlot;
  /** Show newer points of the same lines; whoever has zoomed keeps the view. */
  update: (newer: Drawn) => void;
}

/** What is zoomed into, unix seconds; null: everything. */
export type View = readonly [from: number, to: number] | null;

/** Draw into `box`, zoomed into `view`; `told` hears of each other view. Its owner destroys the plot. */
export function draw(box: HTMLElement, first: Drawn, view: View, told: (view: View) => void): Plot {
  let drawn = first;
  let ready = false;
  const isWhole = (min: number, max: number) => min <= drawn.times[0]! && max >= drawn.times.at(-1)!;
  const ink = [colour("--accent"), colour("--bad")];
  const series: uPlot.Series[] = [
    { label: "time", value: (_, at) => (at === null ? "–" : moment(new Date(at * 1000))) },
    ...drawn.lines.map((line, i) => ({
      label: line.name,
      stroke: ink[i % ink.length]!,
      width: 1.5,
      dash: line.dashed ? [6, 4] : undefined,
      points: { show: drawn.times.length < 120 },
      spanGaps: false,
      value: (_: uPlot, value: number | null) => (value === null ? "–" : value.toPrecision(3)),
    })),
  ];
  const plot = new uPlot(
    {
      width: box.clientWidth,
      height: HEIGHT,
      series,
      axes: [{ ...axis(), values: clock, space: 70 }, { ...axis(), size: 56 }],
      scales: { x: { time: true }, y: drawn.range ? { range: [...drawn.range] as uPlot.Range.MinMax } : {} },
      cursor: { drag: { x: true, y: false } },
      hooks: {
        draw: [(u) => alarm(u, drawn.alarm, ink[1]!), (u) => marks(u, drawn.marks, colour("--muted"))],
        setScale: [
          (u, key) => {
            const { min, max } = u.scales.x!;
            if (ready && key === "x" && min != null && max != null) told(isWhole(min, max) ? null : [min, max]);
          },
        ],
      },
    },
    data(drawn),
    box,
  );
  if (view) plot.setScale("x", { min: view[0], max: view[1] });
  ready = true;
  plot.over.addEventListener("wheel", (event) => wheel(plot, event), { passive: false });
  const update = (newer: Drawn) => {
    if (newer === drawn) return;
    const { min, max } = plot.scales.x!;
    const whole = min == null || max == null || isWhole(min, max);
    drawn = newer;
    plot.setData(data(newer), whole);
    if (!whole) plot.setScale("x", { min, max });
  };
  return { plot, update };
}

function data({ times, lines }: Drawn): uPlot.AlignedData {
  return [times as number[], ...lines.map((line) => line.values as (number | null)[])];
}

/** Keep the middle, or `around`, and show `factor` times as much. Bounded by what there is. */
export function zoom(plot: uPlot, factor: number, around?: number): void {
  const { min, max } = plot.scales.x!;
  if (min == null || max == null) return;
  const middle = around ?? (min + max) / 2;
  show(plot, middle - (middle - min) * factor, middle + (max - middle) * factor);
}

/** Move by a share of what is shown. */
export function pan(plot: uPlot, share: number): void {
  const { min, max } = plot.scales.x!;
  if (min == null || max == null) return;
  const by = (max - min) * share;
  show(plot, min + by, max + by);
}

export function whole(plot: uPlot): void {
  const times = plot.data[0];
  if (times.length > 1) plot.setScale("x", { min: times[0]!, max: times[times.length - 1]! });
}

function show(plot: uPlot, min: number, max: number): void {
  const times = plot.data[0];
  const first = times[0]!;
  const last = times[times.length - 1]!;
  const span = Math.min(Math.max(max - min, 1), last - first);
  const from = Math.min(Math.max(min, first), last - span);
  plot.setScale("x", { min: from, max: from + span });
}

function wheel(plot: uPlot, event: WheelEvent): void {
  // The page scrolls as everywhere; only with a key held the wheel is the chart's.
  if (!event.ctrlKey && !event.shiftKey) return;
  event.preventDefault();
  const at = plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x");
  zoom(plot, (event.deltaY || event.deltaX) > 0 ? 1.3 : 1 / 1.3, at);
}

function alarm(plot: uPlot, at: number | undefined, ink: string): void {
  if (at === undefined) return;
  const { ctx, bbox } = plot;
  const y = Math.round(plot.valToPos(at, "y", true));
  ctx.save();
  ctx.strokeStyle = ink;
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

function marks(plot: uPlot, found: Drawn["marks"], ink: string): void {
  const { ctx, bbox } = plot;
  const { min, max } = plot.scales.x!;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = ink;
  ctx.lineWidth = devicePixelRatio;
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "center";
  for (const { at, letter } of found) {
    if (at < min! || at > max!) continue;
    const x = Math.round(plot.valToPos(at, "x", true));
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + 4 * devicePixelRatio);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillText(letter, x, bbox.top);
  }
  ctx.restore();
}
