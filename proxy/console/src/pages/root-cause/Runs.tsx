/** Earlier runs of the monitor, each at an address of its own. */

import { to } from "../../api/address";
import type { Schemas } from "../../api/client";
import { Card, Time } from "../../components/parts";
import { Severity } from "../../components/Severity";
import { arrows } from "../tables/visible";
import { bySource, capitalised, causeLabel } from "./words";

export function Runs(props: { runs: readonly Schemas["RunView"][]; shown: string | undefined }) {
  if (!props.runs.length) return null;
  return (
    <Card title="Runs" aside={<span class="muted small">the latest first</span>}>
      <ol class="runs">
        {props.runs.map((run) => (
          <li key={run.id}>
            <a
              href={to("/root-cause", { monitor: run.monitor, run: run.id })}
              aria-current={run.id === props.shown ? "true" : undefined}
            >
              <span class="row spread">
                <span class="row">
                  <Severity severity={run.severity} />
                  <strong>{capitalised(causeLabel(run.cause))}</strong>
                </span>
                <span class="small muted">
                  <Time at={run.timestamp} /> · {bySource(run.source, run.model_asked)}
                </span>
              </span>
              <span class="clip small">{arrows(run.summary)}</span>
            </a>
          </li>
        ))}
      </ol>
    </Card>
  );
}
