/** The pairs that carry the drift, those that carry most first. */

import { useMemo } from "preact/hooks";

import { useParameter } from "../../api/address";
import type { Schemas } from "../../api/client";
import { Table } from "../../charts/Chart";
import { Card, Note } from "../../components/parts";
import { fixed, plural } from "../../format";
import { OneExchange } from "./OneExchange";
import { PairView } from "./PairView";
import { weight } from "./witness";

/** Shown at first, so that topics and behaviour are not far below. */
const FIRST = 5;

export function Pairs(props: { samples: Schemas["SamplesView"]; evidence: Schemas["EvidenceView"] | undefined }) {
  const { samples, evidence } = props;
  const [marks, setMarks] = useParameter("marks");
  const [named] = useParameter("pair");
  const [more, showMore] = useParameter("pairs");
  const known = useMemo(
    () => new Map([...samples.baseline_items, ...samples.current_items].map((one) => [one.id, one] as const)),
    [samples],
  );
  const { pairs } = samples;
  const textless = pairs.every((pair) => !pair.baseline && !pair.current && !pair.prompt);
  const largest = Math.max(...pairs.map((pair) => pair.witness), 0);
  const calm = evidence?.severity === "LOW";
  const all = more === "all" || pairs.findIndex((pair) => pair.exchange_id === named) >= FIRST;
  return (
    <Card
      id="pairs"
      title={`Answers in pairs (${pairs.length})`}
      aside={
        !textless && (
          <label class="row small">
            <input
              type="checkbox"
              checked={marks !== "off"}
              onChange={(event) => setMarks(event.currentTarget.checked ? null : "off")}
            />
            Mark words that differ
          </label>
        )
      }
    >
      <p class="muted small cmp-reading">
        Each current answer stands beside the baseline's answer to the nearest prompt. The witness value says how much more
        an answer is like the other current ones than like the baseline's{calm ? "; there is no drift, so all are small" : ""}.
        {marks !== "off" && !textless && (
          <>
            {" "}
            Marked: <del>only in the baseline</del>, <ins>only now</ins>.
          </>
        )}
      </p>
      {named && !pairs.some((pair) => pair.exchange_id === named) && (
        <OneExchange key={named} id={named} />
      )}
      {textless ? (
        <Textless pairs={pairs} />
      ) : (
        <ol class="cmp-pairs">
          {pairs.slice(0, all ? undefined : FIRST).map((pair, i) => (
            <PairView
              key={pair.exchange_id}
              pair={pair}
              rank={i + 1}
              weight={weight(pair.witness, largest, calm ? null : (evidence?.witness_total ?? null), evidence?.window_samples ?? 0)}
              samples={known}
              marks={marks !== "off"}
              named={pair.exchange_id === named}
            />
          ))}
        </ol>
      )}
      {!textless && !all && pairs.length > FIRST && (
        <div>
          <button type="button" class="button" onClick={() => showMore("all")}>
            Show the other {plural(pairs.length - FIRST, "pair")}
          </button>
        </div>
      )}
    </Card>
  );
}

function Textless(props: { pairs: readonly Schemas["Pair"][] }) {
  return (
    <>
      <Note>
        Texts are not kept here (<code>privacy.store_text = false</code>), so only the exchanges' ids can be shown; your
        own logs may have their texts.
      </Note>
      <Table
        label="Pairs of exchanges"
        columns={[{ name: "now" }, { name: "baseline" }, { name: "witness", number: true }, { name: "cosine of the prompts", number: true }]}
        rows={props.pairs.map((pair) => [
          <code>{pair.exchange_id}</code>,
          <code>{pair.baseline_exchange_id}</code>,
          fixed(pair.witness, 4),
          fixed(pair.prompt_similarity, 2),
        ])}
      />
    </>
  );
}
