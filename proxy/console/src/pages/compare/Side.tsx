/** One side of a pair: its prompt, its answer, and which model gave it when. */

import type { ComponentChildren } from "preact";

import type { Schemas } from "../../api/client";
import { Copy } from "../../components/Copy";
import { Time } from "../../components/parts";
import { plural, seconds } from "../../format";

export function Side(props: {
  side: "before" | "after";
  title: string;
  exchange: string;
  prompt: string;
  /** Said in place of the prompt where both sides share it. */
  promptNote?: string;
  text: string;
  answer: ComponentChildren;
  sample: Schemas["SampleView"] | undefined;
  whole: boolean;
}) {
  const { sample } = props;
  return (
    <div class={`cmp-side ${props.side}`}>
      <div class="row spread">
        <h4>
          <i aria-hidden="true" /> {props.title}
        </h4>
        <p class="muted small">
          {sample ? (
            <>
              {[
                sample.model,
                sample.output_tokens === null ? "" : plural(sample.output_tokens, "token"),
                sample.duration_seconds === null ? "" : seconds(sample.duration_seconds),
              ]
                .filter(Boolean)
                .join(" · ")}{" "}
              · <Time at={sample.timestamp} />
            </>
          ) : (
            <span class="mono">{props.exchange.slice(-12)}</span>
          )}
        </p>
      </div>
      <p class="cmp-asked text">
        <span class="cmp-what">Prompt</span> {props.promptNote ? <em class="muted">{props.promptNote}</em> : props.prompt}
      </p>
      <div class={props.whole ? "cmp-answer text" : "cmp-answer text cmp-clipped"}>{props.answer}</div>
      <div>
        <Copy text={props.text} label="Copy answer" what={props.side === "before" ? "of the baseline" : "of now"} />
      </div>
    </div>
  );
}
