/** The health index on its scale: 100 no drift, 50 the alarm line. */

import { fixed } from "../../format";

export function Meter(props: { health: number | null | undefined }) {
  const { health } = props;
  const known = health !== null && health !== undefined;
  return (
    <div class="health">
      <div class="figure">
        {known ? fixed(health, 0) : "–"}
        <small> of 100</small>
      </div>
      <div
        class="meter"
        role="meter"
        aria-label="Health index; 50 is the alarm line"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={known ? Math.round(health) : undefined}
        aria-valuetext={known ? `${fixed(health, 0)} of 100` : "not known yet"}
      >
        <svg viewBox="0 0 200 26" preserveAspectRatio="none" aria-hidden="true">
          <rect x="0" y="8" width="100" height="8" fill="var(--bad-soft)" stroke="var(--bad)" stroke-width="0.4" />
          <rect x="100" y="8" width="100" height="8" fill="var(--good-soft)" stroke="var(--good)" stroke-width="0.4" />
          <line x1="100" x2="100" y1="4" y2="20" stroke="var(--text)" vector-effect="non-scaling-stroke" stroke-width="2" />
          {known && (
            <rect x={Math.min(198, health * 2)} y="3" width="2.4" height="18" fill="var(--text)" rx="0.6" />
          )}
        </svg>
        <div class="row spread small muted" aria-hidden="true">
          <span>0</span>
          <span>50: alarm line</span>
          <span>100</span>
        </div>
      </div>
    </div>
  );
}
