/** Categories of both sides as lying bars, where there are too many for names under upright ones. */

import { Chart } from "../../charts/Chart";
import { percent } from "../../format";
import { visible } from "./visible";
import type { Row } from "./words";

/** The table has the others. */
const MOST = 6;
const ROW = 30;
const WIDTH = 320;
const LETTERS = 34;

export function Categories(props: { row: Row; label: string }) {
  const { row } = props;
  const most = new Set([...row.shares].sort((a, b) => moved(b) - moved(a)).slice(0, MOST));
  // In the server's order, the most frequent first.
  const bars = row.shares.filter((share) => most.has(share));
  const top = Math.max(...bars.map((bar) => Math.max(bar.reference, bar.current)), 1e-9);
  const left = row.shares.length - bars.length;
  return (
    <Chart
      label={props.label}
      columns={[{ name: "value" }, { name: "reference", number: true }, { name: "current", number: true }]}
      rows={() => row.shares.map((bar) => [visible(bar.label), percent(bar.reference, 1), percent(bar.current, 1)])}
      controls={left > 0 && <span class="muted small">those that changed most; {left} more in the table</span>}
    >
      <svg viewBox={`0 0 ${WIDTH} ${bars.length * ROW}`} font-size="10" aria-hidden="true">
        {bars.map((bar, i) => (
          <g key={i} transform={`translate(0 ${i * ROW})`}>
            <text y="9">{clipped(visible(bar.label))}</text>
            <text x={WIDTH} y="9" text-anchor="end">
              {percent(bar.reference, 1)} → {percent(bar.current, 1)}
            </text>
            <rect
              x="0.75"
              y="13.25"
              width={Math.max(0.5, (bar.reference / top) * (WIDTH - 1.5))}
              height="4.5"
              fill="none"
              stroke="var(--before)"
              stroke-width="1.5"
            />
            <rect y="20" width={Math.max(0.5, (bar.current / top) * WIDTH)} height="5.5" fill="var(--now)" />
          </g>
        ))}
      </svg>
    </Chart>
  );
}

function moved(share: Row["shares"][number]): number {
  return Math.abs(share.current - share.reference);
}

function clipped(label: string): string {
  return label.length > LETTERS ? `${label.slice(0, LETTERS - 1)}…` : label;
}
