/** The developer's trace console: what each agent was given, concluded and why, as it works. */

import "./trace.css";

import { useEffect, useRef, useState } from "preact/hooks";

import { Copy } from "../../components/Copy";
import { Card } from "../../components/parts";
import { Elapsed } from "../tables/Elapsed";
import { arrows, visible } from "../tables/visible";
import { Cites } from "./citing";
import type { Step } from "./live";
import { traceText } from "./text";
import type { Traced } from "./traced";
import { fixed } from "../../format";

const AGENTS = ["triage", "diagnosis", "recommendation"] as const;
const ENDS = {
  done: "done",
  failed: "the run ended without a report; the server's log says why",
  lost: "the connection was lost; if the run still ended, it is listed under Runs",
} as const;

export function Trace(props: { run: Traced }) {
  const { run } = props;
  const [agent, choose] = useState("");
  const steps = run.steps.filter((step) => !agent || step.agent === agent);
  const screen = useRef<HTMLDivElement>(null);
  // What comes last is what one waits for; a trace that is read stays where it is.
  useEffect(() => {
    if (run.state === "running" && screen.current) screen.current.scrollTop = screen.current.scrollHeight;
  }, [run.state, run.steps.length]);
  return (
    <Card
      title="Trace"
      class="traced"
      aside={
        <span class="row">
          <label class="row small">
            Agent
            <select value={agent} onChange={(event) => choose(event.currentTarget.value)}>
              <option value="">all</option>
              {AGENTS.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          <Copy text={() => traceText(run, steps)} label="Copy as text" what="the trace" />
        </span>
      }
    >
      <div class="terminal">
        <div class="bar" aria-hidden="true">
          <i />
          <i />
          <i />
          <span>
            {run.monitor}
            {run.id && ` · run ${run.id.slice(0, 8)}`}
          </span>
        </div>
        <div class="screen" ref={screen} role="log" aria-live="polite" aria-label={`Trace of ${run.monitor}`} tabIndex={0}>
          {steps.map((step) => (
            <Entry key={`${run.id}:${step.number}`} step={step} />
          ))}
          {run.state === "running" ? (
            <p class="prompt">
              {run.steps.length ? "working" : "waiting for the first step"} {run.began !== undefined && <Elapsed since={run.began} />}
              <b class="caret" aria-hidden="true" />
            </p>
          ) : (
            <p class={`prompt ${run.state}`}>
              {run.state === "done" && agent && !steps.length ? `no step of ${agent}` : ENDS[run.state]}
            </p>
          )}
        </div>
      </div>
    </Card>
  );
}

function Entry(props: { step: Step }) {
  const { step } = props;
  return (
    <article class={`step ${step.agent}`}>
      <p class="row spread">
        <span>
          <span class="n">[{step.number}]</span> <strong>{step.agent}</strong>
        </span>
        <span class="dim">
          {step.source} · {fixed(step.milliseconds, 1)} ms
        </span>
      </p>
      <dl>
        <dt>given</dt>
        <dd>{arrows(step.input)}</dd>
        <dt>concluded</dt>
        <dd class="concluded">{arrows(step.conclusion)}</dd>
        <dt>why</dt>
        <dd>{visible(step.why)}</dd>
        <dt>evidence</dt>
        <dd>{step.evidence.length ? <Cites ids={step.evidence} /> : "none"}</dd>
      </dl>
    </article>
  );
}
