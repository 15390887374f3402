/** A report: how bad, why, who changed, and what speaks for it. */

import { to } from "../../api/address";
import type { Schemas } from "../../api/client";
import { Copy } from "../../components/Copy";
import { Card, Facts, Time } from "../../components/parts";
import { Severity } from "../../components/Severity";
import { count, fixed, plural } from "../../format";
import { Download } from "../tables/Download";
import { arrows, visible } from "../tables/visible";
import { asMarkdown, markdownPath } from "./markdown";
import { Statements } from "./Statements";
import { bySource, capitalised, causeLabel, CHANGED } from "./words";

type View = Schemas["AgenticView"];

export function Report(props: { view: View }) {
  const { view } = props;
  const { diagnosis, triage } = view;
  const [who, meaning] = CHANGED[diagnosis.changed];
  return (
    <Card
      class="report"
      title={
        <span class="row">
          <Severity severity={view.severity} />
          <span>{capitalised(causeLabel(diagnosis.cause))}</span>
        </span>
      }
      aside={view.id && <Taking id={view.id} monitor={view.monitor} />}
    >
      <p class="summary">{arrows(diagnosis.summary)}</p>
      <Facts
        facts={[
          ["Who changed", who, meaning],
          ["How sure", <Rank key="sure" value={diagnosis.confidence} />, "a rank, not a probability"],
          ["That something moved", rank(triage.confidence), "the same kind of rank"],
        ]}
      />
      <h3>Possible cause</h3>
      <p>{arrows(diagnosis.possible_cause)}</p>
      <Statements title="What speaks for it" statements={diagnosis.statements} />
      <p class="muted small">
        Looked at <Time at={view.evidence_timestamp} />: {plural(view.telemetry_size, "answer")} against a baseline of{" "}
        {count(view.baseline_size)}. Words by {visible(bySource(view.source, view.model))}
        {view.timestamp && (
          <>
            , <Time at={view.timestamp} />
          </>
        )}
        . {visible(triage.reason)} <a href={to("/", { monitor: view.monitor })}>The scores are on the overview.</a>
      </p>
    </Card>
  );
}

function Rank(props: { value: number }) {
  return (
    <span class="rank">
      {rank(props.value)}
      <i aria-hidden="true">
        <b style={{ width: `${100 * props.value}%`}} />
      </i>
    </span>
  );
}

function Taking(props: { id: string; monitor: string }) {
  return (
    <span class="row">
      <Copy text={() => asMarkdown(props.id)} label="Copy as Markdown" />
      <Download path={markdownPath(props.id)} accept="text/markdown" name={`root-cause-${props.id.slice(0, 8)}.md`} label="Download .md" />
    </span>
  );
}

function rank(value: number): string {
  // Not 1 where it is not quite.
  return value < 1 && value >= 0.995 ? "> 0.99 of 1" : `${fixed(value, 2)} of 1`;
}
