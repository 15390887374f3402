/** What to do, the most urgent first; calm where nothing is. */

import type { Schemas } from "../../api/client";
import { Card, Note } from "../../components/parts";
import { Statements } from "./Statements";
import { URGENCIES } from "./words";

export function Actions(props: { actions: readonly Schemas["Action"][]; severity: Schemas["Severity"] | null }) {
  const { actions } = props;
  const calm = props.severity === "LOW" && !actions.some((one) => one.urgency === "now");
  return (
    <Card title="What to do">
      {calm && <Note kind="good">Nothing is urgent.</Note>}
      {URGENCIES.map(([urgency, title, meaning, shape]) => {
        const of = actions.filter((one) => one.urgency === urgency);
        if (!of.length) return null;
        return (
          <div key={urgency} class={`urgency ${urgency}`}>
            <h3>
              <svg viewBox="0 0 16 16" aria-hidden="true">
                <path d={shape} fill={urgency === "later" ? "none" : "currentColor"} stroke="currentColor" stroke-width="1.5" />
              </svg>
              {title} <span class="muted">{meaning}</span>
            </h3>
            <Statements statements={of} />
          </div>
        );
      })}
    </Card>
  );
}
