/** Every detector beside its alarm line. */

import type { Schemas } from "../../api/client";
import { Card } from "../../components/parts";
import { figure } from "../../format";
import { detector } from "./words";

export function Detectors(props: { detectors: readonly Schemas["DetectorScore"][]; worst: string | null }) {
  return (
    <Card title="Detectors" aside={<span class="muted small">the mark in each bar is its alarm line</span>}>
      <div class="table-wrap" tabIndex={0} role="region" aria-label="Table: Detectors">
        <table class="detectors">
          <thead>
            <tr>
              <th scope="col">Watches</th>
              <th scope="col">Ratio to its line</th>
              <th scope="col" class="number">
                Statistic / line
              </th>
            </tr>
          </thead>
          <tbody>
            {props.detectors.map((one) => (
              <tr key={one.name}>
                <td>
                  {detector(one.name)}, <span class="muted">last {one.window}</span>
                  {one.samples < one.window && <span class="muted"> ({one.samples} so far)</span>}
                  {one.name === props.worst && <b> · the worst</b>}
                  {one.detail && <span class="muted small text"> {one.detail}</span>}
                </td>
                <td>
                  <Ratio ratio={one.ratio} />
                </td>
                <td class="number">
                  {figure(one.statistic)} / {figure(one.threshold)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

/** The line stands in the middle; from twice the line on the bar is full. */
function Ratio(props: { ratio: number | null }) {
  const ratio = props.ratio ?? 0;
  return (
    <span class="ratio">
      <span class="track" aria-hidden="true">
        <i class={ratio >= 1 ? "over" : undefined} style={{ width: `${Math.min(100, ratio * 50)}%` }} />
        <b />
      </span>
      <span class="number">{figure(props.ratio, 2)}</span>
    </span>
  );
}
