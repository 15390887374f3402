/** All monitors at a glance. */

import { to } from "../../api/address";
import type { Monitor } from "../../components/MonitorPicker";
import { Card, Time } from "../../components/parts";
import { Severity } from "../../components/Severity";
import { count, fixed } from "../../format";

export function MonitorTable(props: { monitors: readonly Monitor[]; name: string | undefined }) {
  return (
    <Card title="Monitors" class="wide" aside={<span class="muted small">the busiest first</span>}>
      <div class="table-wrap monitors" tabIndex={0} role="region" aria-label="All monitors">
        <table>
          <thead>
            <tr>
              <th scope="col">Monitor</th>
              <th scope="col">Severity</th>
              <th scope="col" class="number">
                Health, of 100
              </th>
              <th scope="col" class="number">
                Answers scored
              </th>
              <th scope="col">Model</th>
              <th scope="col">Last answer</th>
            </tr>
          </thead>
          <tbody>
            {props.monitors.map((one) => (
              <tr key={one.name} aria-current={one.name === props.name ? "true" : undefined}>
                <td>
                  <a href={to("/", { monitor: one.name })}>{one.name}</a>
                  {one.mute && <span class="muted small"> muted</span>}
                  {one.acknowledged && <span class="muted small"> acknowledged</span>}
                </td>
                <td>
                  <Severity severity={one.severity} />
                </td>
                <td class="number">{fixed(one.health_index, 0)}</td>
                <td class="number">{count(one.coverage.scored)}</td>
                <td>{one.model}</td>
                <td>
                  <Time at={one.last_scored_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
