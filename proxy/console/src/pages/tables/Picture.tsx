/** Both distributions of a column. */

import { Distributions } from "../../charts/Distributions";
import { percent } from "../../format";
import { Categories } from "./Categories";
import { visible } from "./visible";
import type { Row } from "./words";

const SCALES = new Set(["numeric", "date"]);
/** So many names fit under upright bars. */
const FEW = 4;

export function Picture(props: { row: Row }) {
  const { row } = props;
  const name = visible(row.name);
  return (
    <div class="picture">
      {row.effect_name === "cramers_v_missing" && (
        <Distributions
          label={`${name}, missing values: ${percent(row.reference_missing, 1)} of the reference, ${percent(row.current_missing, 1)} now`}
          bars={[
            { label: "missing", reference: row.reference_missing, current: row.current_missing },
            { label: "present", reference: 1 - row.reference_missing, current: 1 - row.current_missing },
          ]}
          before="reference"
          now="current"
        />
      )}
      {row.shares.length > FEW && !SCALES.has(row.kind) ? (
        <Categories row={row} label={said(row)} />
      ) : (
        <Distributions
          label={said(row)}
          bars={row.shares.map((share) => ({ ...share, label: visible(share.label) }))}
          before="reference"
          now="current"
        />
      )}
    </div>
  );
}

/** What the picture shows, in a sentence: the bars that changed most. */
function said(row: Row): string {
  const most = [...row.shares]
    .sort((a, b) => Math.abs(b.current - b.reference) - Math.abs(a.current - a.reference))
    .slice(0, 3)
    .map((share) => `${visible(share.label)}: ${percent(share.reference, 1)} to ${percent(share.current, 1)}`);
  return `${visible(row.name)}: shares of ${row.shares.length} values, reference against current. The largest changes are ${most.join("; ")}.`;
}
