/** What was asked before, during this visit. */

import { Card, Time } from "../../components/parts";
import { plural, seconds } from "../../format";
import { clipped } from "./AnswerView";
import type { Asked, Turn } from "./turns";

export function Recent(props: { turns: readonly Turn[]; shown: number | undefined; show: (id: number) => void }) {
  if (props.turns.length < 2) return null;
  return (
    <Card title="Asked in this visit">
      <ul class="play-recent">
        {props.turns.map((turn) => (
          <li key={turn.id}>
            <button
              type="button"
              class="play-again"
              aria-current={turn.id === props.shown ? "true" : undefined}
              onClick={() => props.show(turn.id)}
            >
              <span class="play-line">{clipped(turn.asked[0]!.question.prompt, 200)}</span>
              <span class="muted small">
                <Time at={turn.at} /> · {turn.asked.map(brief).join(" | ")}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <p class="muted small">The last ten; they are gone when the page is loaded anew.</p>
    </Card>
  );
}

function brief({ question, answer }: Asked): string {
  const tokens = answer.tokensOut === null ? "" : `, ${plural(answer.tokensOut, "token")}`;
  const took = answer.total === null ? "" : ` in ${seconds(answer.total)}`;
  return `${answer.model || question.model || "default model"}: ${answer.state}${tokens}${took}`;
}
