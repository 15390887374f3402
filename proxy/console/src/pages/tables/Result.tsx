/** A comparison's result: the sentence, the figures, what to take away. */

import { useState } from "preact/hooks";

import type { Schemas } from "../../api/client";
import { to } from "../../api/address";
import { Copy } from "../../components/Copy";
import { Card, Facts, Field, Time } from "../../components/parts";
import { count, figure, percent } from "../../format";
import { Columns } from "./Columns";
import { Download } from "./Download";
import { arrows, visible } from "./visible";

export function Result(props: { run: Schemas["Run"]; busy: boolean }) {
  const { run } = props;
  const { summary } = run;
  const [source, describe] = useState("");
  const path = `/api/monitoring/reports/${encodeURIComponent(run.report_id)}`;
  const name = `${run.dataset.replace(/[^\w.-]+/g, "-") || "tables"}-${run.report_id.slice(0, 8)}`;
  return (
    <div class={`result stack ${props.busy ? "busy" : ""}`} aria-busy={props.busy}>
      <Card
        title={<span class="said">{arrows(summary.message)}</span>}
        aside={
          <span class="row">
            <Copy text={() => location.origin + to("/tables", { report: run.report_id })} label="Copy link" what="to this report" />
            <Download path={`${path}.html`} name={`${name}.html`} label="Download HTML" />
            <Download path={path} name={`${name}.json`} label="Download JSON" />
          </span>
        }
      >
        <Facts
          facts={[
            ["Reference", `${count(summary.reference_rows)} rows`, visible(summary.reference)],
            ["Current", `${count(summary.current_rows)} rows`, visible(summary.current)],
            ["Drifted", `${count(summary.drifted)} of ${count(summary.columns)}`, `columns; ${count(summary.tested)} tested`],
            ["Share drifted", percent(summary.drifted_share), kinds(summary.drifted_by_kind)],
            ["p threshold", figure(summary.p_threshold), "largest adjusted p that counts"],
            ["Effect threshold", figure(summary.effect_threshold), "of 1, the smallest that counts"],
            ["Compared", <Time key="at" at={run.generated_at} />, run.dataset ? `dataset ${visible(run.dataset)}` : undefined],
          ]}
        />
        <Named title="Changes of the schema" values={summary.schema} />
        <Named title="More than chance, and less than counts" values={summary.slight} inline />
        <Named title="As much as counts, with too few rows to tell it from chance" values={summary.unsure} inline />
        <Field
          label="Where the current rows come from"
          hint="Optional; told to whoever explains a column: a new collector, another region, a campaign."
          class="source"
        >
          <input value={source} maxLength={2000} onInput={(event) => describe(event.currentTarget.value)} />
        </Field>
      </Card>
      <Columns key={run.report_id} run={run} source={source} />
    </div>
  );
}

function Named(props: { title: string; values: readonly string[]; inline?: boolean }) {
  const { title, values } = props;
  if (!values.length) return null;
  if (props.inline) {
    return (
      <p class="chips small">
        <span class="muted">{title}:</span>
        {values.map((value) => (
          <span key={value} class="chip">
            {visible(value)}
          </span>
        ))}
      </p>
    );
  }
  return (
    <>
      <h3>{title}</h3>
      <ul class="schema">
        {values.map((value) => (
          <li key={value}>{arrows(value)}</li>
        ))}
      </ul>
    </>
  );
}

function kinds(by: Readonly<Record<string, number>>): string | undefined {
  const said = Object.entries(by).map(([kind, n]) => `${count(n)} ${kind}`);
  return said.length ? said.join(", ") : undefined;
}
