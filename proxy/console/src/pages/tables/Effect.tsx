/** An effect from 0 to 1 as a bar, with a mark where it begins to count. */

import { effect, effectName, type Row } from "./words";

export function Effect(props: { row: Row; threshold: number }) {
  const { row, threshold } = props;
  if (row.effect === null) return null;
  const width = 100 * Math.min(1, Math.max(0, row.effect));
  return (
    <div class="effect">
      <span>
        <strong class="number">{effect(row.effect)}</strong>{" "}
        <span class="muted small">of 1 · {effectName(row)}</span>
      </span>
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect width="100" height="8" fill="var(--sunken)" />
        <rect width={width} height="8" fill={row.drifted ? "var(--now)" : "var(--before)"} />
        <line
          x1={100 * threshold}
          x2={100 * threshold}
          y1="0"
          y2="8"
          stroke="var(--text)"
          stroke-width="2"
          vector-effect="non-scaling-stroke"
        />
      </svg>
    </div>
  );
}
