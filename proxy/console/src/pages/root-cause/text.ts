/** The trace as plain text, for a ticket or a terminal. */

import { fixed } from "../../format";
import { arrows } from "../tables/visible";
import type { Step } from "./live";

export function traceText(run: { id: string; monitor: string }, steps: readonly Step[]): string {
  const head = `Root cause of ${run.monitor}${run.id ? `, run ${run.id}` : ""}`;
  return [head, ...steps.map(entry)].join("\n\n") + "\n";
}

function entry(step: Step): string {
  const evidence = step.evidence.join(", ") || "none";
  return [
    `[${step.number}] ${step.agent}  (${step.source}, ${fixed(step.milliseconds, 1)} ms)`,
    `    given:     ${arrows(step.input)}`,
    `    concluded: ${arrows(step.conclusion)}`,
    `    why:       ${arrows(step.why)}`,
    `    evidence:  ${evidence}`,
  ].join("\n");
}
