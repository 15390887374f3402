/** Where an answer falls among the baseline's. */

import { useEffect } from "preact/hooks";

import type { Schemas } from "../../api/client";
import { Failed, Note } from "../../components/parts";
import { figure, fixed, percent } from "../../format";
import { Strip } from "./Strip";
import { usePlace } from "./usePlace";

export function Place(props: { exchange: string; settled: (monitor: string | null) => void }) {
  const { place, error, asking, again } = usePlace(props.exchange);
  const status = place?.status;
  useEffect(() => {
    if (status && status !== "pending") props.settled(place.monitor);
  }, [status]);
  return (
    <section class="play-place" aria-busy={asking}>
      <h3>Where it falls</h3>
      <Failed error={error} retry={again} />
      {!error && (!place || status === "pending") && (
        <p class="row muted">
          {(!asking && place?.message) || "Waiting until it is scored…"}
          {!asking && (
            <button type="button" class="button small" onClick={again}>
              Ask again
            </button>
          )}
        </p>
      )}
      {place && status !== "ready" && status !== "pending" && (
        <Note kind={status === "not_scored" ? "warning" : undefined}>
          {place.message}
          {status === "waiting_for_baseline" ? " “Use current answers as baseline” above does that." : ""}
        </Note>
      )}
      {place && status === "ready" && <Ready place={place} />}
    </section>
  );
}

function Ready(props: { place: Schemas["Place"] }) {
  const { distance, percentile, histogram, neighbours, monitor } = props.place;
  return (
    <>
      <p>
        {percentile === null ? "" : `${standing(percentile)} `}
        <span class="muted">
          Cosine distance to that centre: {figure(distance, 3)}
          {monitor ? `; monitor ${monitor}` : ""}.
        </span>
      </p>
      {distance !== null && histogram.length > 0 && <Strip bins={histogram} distance={distance} />}
      {neighbours.length > 0 && (
        <>
          <h4>The baseline's answers that are most like it</h4>
          <ol class="play-neighbours">
            {neighbours.map((one) => (
              <li key={one.exchange_id}>
                <p class="play-line">
                  <strong>{one.prompt || one.exchange_id}</strong>
                </p>
                <p class="play-lines muted">{one.response || "(text not kept)"}</p>
                <p class="small">
                  answers {fixed(one.similarity, 2)} alike, prompts {fixed(one.prompt_similarity, 2)}{" "}
                  <span class="muted">(cosine; 1 is the same)</span>
                </p>
              </li>
            ))}
          </ol>
        </>
      )}
    </>
  );
}

/** `percentile` of the baseline's answers are nearer to its centre. */
function standing(percentile: number): string {
  if (percentile >= 1) return "Farther from the baseline's centre than all of its own answers.";
  if (percentile >= 0.95) return `Farther from the baseline's centre than ${most(percentile)} of its own answers: at its edge.`;
  if (percentile > 0.5) return `Farther from the baseline's centre than ${most(percentile)} of its own answers.`;
  if (percentile <= 0) return "As near to the baseline's centre as the nearest of its own answers.";
  return `Nearer to the baseline's centre than ${most(1 - percentile)} of its own answers.`;
}

/** Rounded down: fewer than all never read 100 %. */
function most(share: number): string {
  // 1 - 0.07 is a little less than 0.93.
  return percent(Math.floor(share * 100 + 1e-9) / 100);
}
