/** One answer: its words as they come, its figures, and where it falls. */

import type { ComponentChildren } from "preact";

import { Copy } from "../../components/Copy";
import { Card, Facts, Failed, Note } from "../../components/parts";
import { count, figure, NONE, seconds } from "../../format";
import type { Answer } from "./ask";
import { Place } from "./Place";
import type { Asked } from "./turns";

const STATES: Record<Answer["state"], string> = {
  waiting: "waiting for the first word",
  answering: "answering",
  done: "done",
  "cut off": "cut off",
  stopped: "stopped",
  failed: "failed",
};

export function AnswerView(props: { asked: Asked; title: string; words?: ComponentChildren; settled: (monitor: string | null) => void }) {
  const { question, answer } = props.asked;
  const { state } = answer;
  const limited = state === "done" && answer.finish === "length";
  const over = state !== "waiting" && state !== "answering";
  return (
    <Card
      class="play-answer"
      title={props.title}
      aside={
        <span class={`small play-state ${limited ? "limit" : state.replace(" ", "-")}`} role="status">
          {STATES[state]}
          {limited ? ", at its limit of tokens" : ""}
        </span>
      }
    >
      <p class="muted small">
        {answer.model || question.model || "the server's default model"}
        {question.model && answer.model && answer.model !== question.model && (
          <b> (asked for {question.model}; the model server answered as another)</b>
        )}
        {question.system.trim() ? ` · system prompt: ${clipped(question.system, 80)}` : ""}
        {Object.entries(question.options)
          .map(([name, value]) => ` · ${name} ${value}`)
          .join("")}
      </p>
      {answer.reasoning && (
        <details>
          <summary>Reasoning ({count(answer.reasoning.length)} characters)</summary>
          <div class="text small muted play-reasoning">{answer.reasoning}</div>
        </details>
      )}
      {answer.text || !over ? (
        <div class="text play-text">
          {props.words ?? answer.text}
          {!over && <span class="play-cursor" aria-hidden="true" />}
        </div>
      ) : (
        !answer.error && <p class="muted">No words came.</p>
      )}
      <Failed error={answer.error} />
      {state === "cut off" && (
        <Note kind="warning">
          The stream ended before the model said it was finished: the answer is cut off, and counted as truncated.
        </Note>
      )}
      {over && answer.text && (
        <div>
          <Copy text={answer.text} label="Copy answer" />
        </div>
      )}
      {state !== "failed" && (
        <Facts
          facts={[
            ["Time to first word", seconds(answer.first)],
            [state === "stopped" ? "Until stopped" : "Whole answer", over ? seconds(answer.total) : NONE],
            ["Tokens in", over ? told(answer.tokensIn) : NONE],
            ["Tokens out", over ? told(answer.tokensOut) : NONE],
            ["Tokens per second", speed(answer)],
          ]}
        />
      )}
      {over && <Where answer={answer} settled={props.settled} />}
    </Card>
  );
}

function Where(props: { answer: Answer; settled: (monitor: string | null) => void }) {
  const { state, exchange } = props.answer;
  if (state === "failed") return null;
  if (state !== "done") return <p class="muted small">Only whole answers are compared with the baseline.</p>;
  if (!exchange) return null;
  return <Place key={exchange} exchange={exchange} settled={props.settled} />;
}

function told(tokens: number | null): string {
  return tokens === null ? "not told" : count(tokens);
}

/** From the first word on, as Driftium's own figure. */
function speed({ first, total, tokensOut }: Answer): string {
  if (first === null || total === null || tokensOut === null || total - first < 0.001) return NONE;
  return figure(tokensOut / (total - first), 3);
}

export function clipped(text: string, longest: number): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > longest ? `${line.slice(0, longest - 1)}…` : line;
}
