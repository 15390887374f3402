/** How far the baseline's answers are from its centre, with a mark for this one. */

import type { Schemas } from "../../api/client";
import { Chart } from "../../charts/Chart";
import { fixed, percent } from "../../format";

const WIDTH = 340;
const HEIGHT = 92;
const TOP = 22;
const FLOOR = HEIGHT - 16;

export function Strip(props: { bins: readonly Schemas["Bin"][]; distance: number }) {
  const { bins, distance } = props;
  const from = Math.min(bins[0]!.from, distance);
  const to = Math.max(bins.at(-1)!.to, distance);
  const span = to - from || 1;
  const x = (value: number) => ((value - from) / span) * (WIDTH - 12) + 6;
  const top = Math.max(...bins.map((bin) => bin.share), 1e-9);
  const here = x(distance);
  const end = here > WIDTH * 0.75 ? "end" : here < WIDTH * 0.25 ? "start" : "middle";
  const label = `Distances of the baseline's answers from their centre, ${fixed(bins[0]!.from, 2)} to ${fixed(
    bins.at(-1)!.to,
    2,
  )}; this answer is at ${fixed(distance, 2)}.`;
  return (
    <Chart
      label={label}
      columns={[{ name: "distance" }, { name: "baseline", number: true }, { name: "this answer" }]}
      rows={() => [
        ...bins.map((bin, i) => [
          `${fixed(bin.from, 3)} to ${fixed(bin.to, 3)}`,
          percent(bin.share, 1),
          holds(bin, distance, i === bins.length - 1) ? "here" : "",
        ]),
        ...(distance < bins[0]!.from || distance > bins.at(-1)!.to ? [[fixed(distance, 3), percent(0), "here"]] : []),
      ]}
    >
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} font-size="11" aria-hidden="true">
        <line x1="0" x2={WIDTH} y1={FLOOR} y2={FLOOR} stroke="var(--line-strong)" />
        {bins.map((bin) => {
          const height = (bin.share / top) * (FLOOR - TOP);
          return (
            <rect
              key={bin.from}
              x={x(bin.from) + 1}
              y={FLOOR - height}
              width={Math.max(0.5, x(bin.to) - x(bin.from) - 2)}
              height={height}
              fill="none"
              stroke="var(--before)"
              stroke-width="1.5"
            >
              <title>{`${fixed(bin.from, 3)} to ${fixed(bin.to, 3)}: ${percent(bin.share, 1)}`}</title>
            </rect>
          );
        })}
        <path d={`M${here - 5} ${TOP - 8}h10l-5 8Z`} fill="var(--now)" />
        <line x1={here} x2={here} y1={TOP - 2} y2={FLOOR} stroke="var(--now)" stroke-width="2" />
        <text x={here + (end === "start" ? -5 : end === "end" ? 5 : 0)} y="10" text-anchor={end}>
          this answer, {fixed(distance, 2)}
        </text>
        <text x="0" y={HEIGHT - 3}>
          {fixed(from, 2)}
        </text>
        <text x={WIDTH} y={HEIGHT - 3} text-anchor="end">
          distance {fixed(to, 2)}
        </text>
      </svg>
    </Chart>
  );
}

function holds(bin: Schemas["Bin"], value: number, last: boolean): boolean {
  return value >= bin.from && (value < bin.to || (last && value === bin.to));
}
