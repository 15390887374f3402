/** One column of a comparison: whether it drifted, by how much, which way, and its picture. */

import { useMemo, useState } from "preact/hooks";

import type { Schemas } from "../../api/client";
import { p, percent } from "../../format";
import { Effect } from "./Effect";
import { Explain } from "./Explain";
import { Picture } from "./Picture";
import { arrows, visible } from "./visible";
import { kind, type Row, standing, test, verdict } from "./words";

const BADGES = {
  drifted: ["▲", "drifted"],
  steady: ["○", "not drifted"],
  untested: ["?", "not tested"],
} as const;

export function Column(props: { row: Row; summary: Schemas["Summary"]; report: string; source: string }) {
  const { row, summary } = props;
  const [explained, explain] = useState(false);
  const state = standing(row);
  const [shape, word] = BADGES[state];
  // Hundreds of columns stand in the list: one that stays as it is must not be made anew at each letter of the filter.
  return useMemo(
    () => (
      <li class="column">
        <div class="about">
          <div class="row">
            <h3 class="name">{visible(row.name)}</h3>
            <span class={`badge ${state === "drifted" ? "high" : "none"}`}>
              <span aria-hidden="true">{shape}</span> {word}
            </span>
          </div>
          <p class="muted small">
            {kind(row)}
            {row.test && ` · ${test(row)}`}
            {row.p_adjusted !== null && row.test !== "constant" && ` · adjusted p ${p(row.p_adjusted)}`}
          </p>
          <Effect row={row} threshold={summary.effect_threshold} />
          {state !== "untested" && (
            <button type="button" class="button small" aria-expanded={explained} onClick={() => explain(!explained)}>
              {explained ? "Close the explanation" : "Explain"}
              <span class="sr"> {visible(row.name)}</span>
            </button>
          )}
        </div>
        <div class="meaning">
          {row.direction && <p class="direction">{arrows(row.direction)}</p>}
          <p class="small muted">{visible(verdict(row, summary))}</p>
          {(row.reference_missing > 0 || row.current_missing > 0) && (
            <p class="small">
              Missing: {percent(row.reference_missing, 1)} → {percent(row.current_missing, 1)} of the rows
            </p>
          )}
          <Chips title="New" values={row.new_categories} all={row.figures.new_categories} />
          <Chips title="Vanished" values={row.vanished_categories} all={row.figures.vanished_categories} />
          {row.patterns.length > 0 && (
            <ul class="patterns small">
              {row.patterns.map((pattern) => (
                <li key={pattern.name}>{arrows(pattern.text)}</li>
              ))}
            </ul>
          )}
          {row.note && state !== "untested" && <p class="small muted">Note: {visible(row.note)}.</p>}
        </div>
        <Picture row={row} />
        {explained && <Explain report={props.report} feature={row.name} source={props.source} />}
      </li>
    ),
    [row, summary, props.report, props.source, explained],
  );
}

/** Categories by name; `all` is how many there are when not all are named. */
function Chips(props: { title: string; values: readonly string[]; all: number | undefined }) {
  const { values } = props;
  if (!values.length) return null;
  const more = (props.all ?? 0) - values.length;
  return (
    <p class="chips small">
      <span class="muted">{props.title}:</span>
      {values.map((value, i) => (
        <span key={i} class="chip">
          {visible(value)}
        </span>
      ))}
      {more > 0 && <span class="muted">and {more} more</span>}
    </p>
  );
}
