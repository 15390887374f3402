/** A monitor's figures, and how often its alarm would be false. */

import type { Schemas } from "../../api/client";
import { Card, Facts } from "../../components/parts";
import { count, figure, percent, plural, p } from "../../format";

export function Figures(props: { drift: Schemas["DriftView"] }) {
  const { drift } = props;
  return (
    <Card title="Figures">
      <Facts
        facts={[
          ["MMD²", figure(drift.mmd_score), `alarm line ${figure(drift.threshold)}`],
          ["Centroid distance", figure(drift.centroid_score), "cosine; not zero without drift"],
          ["Alignment", figure(drift.alignment), `${percent(drift.alignment_ratio)} of the baseline's`],
          ["p-value", p(drift.p_value), "permutations; made by “Look now”"],
          ["Window", count(drift.window), `of ${plural(drift.observed, "answer")} since the baseline`],
          ["Baseline", count(drift.baseline_size), "answers"],
        ]}
      />
      <Lengths drift={drift} />
    </Card>
  );
}

function Lengths(props: { drift: Schemas["DriftView"] }) {
  const { run_length: length, calibration_progress: progress, provisional } = props.drift;
  if (length)
    return (
      <p class="small muted">
        Calibrated: one false alarm in {count(Math.round(length.realised))} ± {count(Math.round(length.realised_stderr))}{" "}
        answers on simulated streams; {count(length.expected)} were asked for.
      </p>
    );
  if (provisional && progress !== null && progress > 0 && progress < 1)
    return (
      <p class="small muted">
        Thresholds are being calibrated: <progress max={1} value={progress} aria-label="calibration" /> {percent(progress)}
      </p>
    );
  return null;
}
