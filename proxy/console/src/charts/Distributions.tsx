/** Two distributions as bars side by side: the reference outlined, the current one filled. */

import { percent } from "../format";
import { Chart } from "./Chart";

export interface Bar {
  readonly label: string;
  readonly reference: number;
  readonly current: number;
}

const WIDTH = 320;
const HEIGHT = 96;
const FLOOR = HEIGHT - 14;
/** About how wide a letter of a label is. */
const LETTER = 5.4;

export function Distributions(props: { label: string; bars: readonly Bar[]; before?: string; now?: string }) {
  const { bars, before = "baseline", now = "now" } = props;
  if (!bars.length) return null;
  const top = Math.max(...bars.map((bar) => Math.max(bar.reference, bar.current)), 1e-9);
  const slot = WIDTH / bars.length;
  const half = Math.max(1, Math.min(14, slot * 0.42));
  const height = (share: number) => (share / top) * (FLOOR - 12);
  const ends = bars.length > 4 ? [bars[0]!, bars[bars.length - 1]!] : [];
  return (
    <Chart
      label={props.label}
      columns={[{ name: "value" }, { name: before, number: true }, { name: now, number: true }]}
      rows={() => bars.map((bar) => [bar.label, percent(bar.reference, 1), percent(bar.current, 1)])}
    >
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} font-size="10" aria-hidden="true">
        <line x1="0" x2={WIDTH} y1={FLOOR} y2={FLOOR} stroke="var(--line-strong)" />
        <text x="0" y="8">
          {percent(top)}
        </text>
        {bars.map((bar, i) => {
          const middle = slot * (i + 0.5);
          const a = height(bar.reference);
          const b = height(bar.current);
          return (
            <g key={i}>
              <rect
                x={middle - half + 0.75}
                y={FLOOR - a}
                width={Math.max(0.5, half - 1.5)}
                height={a}
                fill="none"
                stroke="var(--before)"
                stroke-width="1.5"
              />
              <rect x={middle} y={FLOOR - b} width={half} height={b} fill="var(--now)" />
              {!ends.length && (
                <text x={middle} y={HEIGHT - 2} text-anchor="middle">
                  {clipped(bar.label, slot)}
                </text>
              )}
              <title>{`${bar.label}: ${before} ${percent(bar.reference, 1)}, ${now} ${percent(bar.current, 1)}`}</title>
            </g>
          );
        })}
        {ends.length > 0 && (
          <>
            <text x="0" y={HEIGHT - 2}>
              {clipped(ends[0]!.label, WIDTH / 2)}
            </text>
            <text x={WIDTH} y={HEIGHT - 2} text-anchor="end">
              {clipped(ends[1]!.label, WIDTH / 2)}
            </text>
          </>
        )}
      </svg>
    </Chart>
  );
}

export function Sides(props: { before?: string; now?: string }) {
  return (
    <p class="legend">
      <span>
        <i class="before" /> {props.before ?? "baseline"}
      </span>
      <span>
        <i class="now" /> {props.now ?? "now"}
      </span>
    </p>
  );
}

function clipped(label: string, width: number): string {
  const longest = Math.max(2, Math.floor(width / LETTER));
  return label.length > longest ? `${label.slice(0, longest - 1)}…` : label;
}
