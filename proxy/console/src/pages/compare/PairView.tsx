/** One current answer beside the baseline's answer to the nearest prompt. */

import { useEffect, useRef, useState } from "preact/hooks";

import { here } from "../../api/address";
import type { Schemas } from "../../api/client";
import { useDifference, Words } from "../../components/Words";
import { count, figure, fixed } from "../../format";
import { Side } from "./Side";
import { nearness, type Weight } from "./witness";

/** Answers longer than this, or of more lines, are clipped until all is asked for. */
const LONG_CHARACTERS = 700;
const LONG_LINES = 12;

export function PairView(props: {
  pair: Schemas["Pair"];
  rank: number;
  weight: Weight;
  samples: ReadonlyMap<string, Schemas["SampleView"]>;
  marks: boolean;
  /** It is the one that the address names. */
  named: boolean;
}) {
  const { pair, weight, marks, named, samples } = props;
  const [whole, setWhole] = useState(false);
  const item = useRef<HTMLLIElement>(null);
  const found = useDifference(pair.baseline, pair.current);
  const samePrompt = pair.prompt.trim() === pair.baseline_prompt.trim();
  const long = [pair.baseline, pair.current].some(isLong);
  useEffect(() => {
    if (named) item.current?.scrollIntoView({ block: "start" });
  }, [named]);
  const title = `pair-${pair.exchange_id}-title`;
  return (
    <li class={named ? "cmp-pair cmp-named" : "cmp-pair"} id={`pair-${pair.exchange_id}`} ref={item} aria-labelledby={title}>
      <div class="row spread">
        <h3 id={title}>
          {props.rank}. {weight.word}
          {named && <span class="muted"> · the one in the address</span>}
        </h3>
        <p class="small row">
          <span class="cmp-weight" aria-hidden="true">
            <i style={{ width: `${Math.min(1, weight.length) * 100}%` }} />
          </span>
          <span>
            witness <strong class="number">{fixed(pair.witness, 4)}</strong>
            {weight.part && <span class="muted"> · {weight.part}</span>}
          </span>
          <a href={here({ pair: pair.exchange_id })}>Link to this pair</a>
        </p>
      </div>
      <p class="muted small">
        {samePrompt
          ? "The same prompt on both sides."
          : `Nearest prompt of the baseline: ${nearness(pair.prompt_similarity)} (cosine ${figure(pair.prompt_similarity, 2)}).`}{" "}
        {found.same
          ? "The answers are the same."
          : found.apart
            ? "The answers share too few words to mark the others."
            : ""}
      </p>
      <div class="cmp-sides">
        <Side
          side="before"
          title="Baseline"
          exchange={pair.baseline_exchange_id}
          prompt={pair.baseline_prompt}
          promptNote={samePrompt ? "the same" : undefined}
          text={pair.baseline}
          answer={<Words pieces={found.before} side="before" marked={marks} />}
          sample={samples.get(pair.baseline_exchange_id)}
          whole={whole || !long}
        />
        <Side
          side="after"
          title="Now"
          exchange={pair.exchange_id}
          prompt={pair.prompt}
          text={pair.current}
          answer={<Words pieces={found.after} side="after" marked={marks} />}
          sample={samples.get(pair.exchange_id)}
          whole={whole || !long}
        />
      </div>
      {long && (
        <div>
          <button type="button" class="button quiet small" aria-expanded={whole} onClick={() => setWhole(!whole)}>
            {whole
              ? "Show less"
              : `Show all (${count(Math.max(pair.baseline.length, pair.current.length))} characters)`}
          </button>
        </div>
      )}
    </li>
  );
}

function isLong(text: string): boolean {
  return text.length > LONG_CHARACTERS || text.split("\n").length > LONG_LINES;
}
