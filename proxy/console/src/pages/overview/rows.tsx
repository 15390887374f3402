/** Reports as rows of a table, the latest first. */

import type { Schemas } from "../../api/client";
import { Time } from "../../components/parts";
import { count, figure, fixed } from "../../format";

export const COLUMNS = [
  { name: "time" },
  { name: "severity" },
  { name: "health, of 100", number: true },
  { name: "MMD²", number: true },
  { name: "its line", number: true },
  { name: "centroid distance", number: true },
  { name: "alignment", number: true },
  { name: "reports", number: true },
];

/** `points`, the oldest first. */
export function rows(points: readonly Schemas["HistoryPoint"][]) {
  return points
    .toReversed()
    .map((point) => [
      <Time at={point.timestamp} />,
      point.severity ?? "none yet",
      fixed(point.health_index, 0),
      figure(point.mmd_score),
      figure(point.threshold),
      figure(point.centroid_score),
      figure(point.alignment),
      count(point.reports),
    ]);
}
