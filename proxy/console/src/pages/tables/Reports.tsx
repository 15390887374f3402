/** Stored reports, each at an address of its own. */

import { to } from "../../api/address";
import type { Schemas } from "../../api/client";
import { Card, Time } from "../../components/parts";
import { arrows, visible } from "./visible";

export function Reports(props: { reports: readonly Schemas["ReportView"][]; shown: string | undefined }) {
  return (
    <Card title="Reports" aside={<span class="muted small">the latest first</span>} class="reports">
      {props.reports.length ? (
        <ol>
          {props.reports.map((one) => (
            <li key={one.id}>
              <a href={to("/tables", { report: one.id })} aria-current={one.id === props.shown ? "true" : undefined}>
                <span class="row spread small">
                  <strong>{one.dataset ? visible(one.dataset) : `${one.drifted} drifted`}</strong>
                  <span class="muted">
                    <Time at={one.generated_at} />
                  </span>
                </span>
                <span class="clip small">{arrows(one.message)}</span>
              </a>
            </li>
          ))}
        </ol>
      ) : (
        <p class="muted">None yet: each comparison is kept and can be shared by its address.</p>
      )}
    </Card>
  );
}
