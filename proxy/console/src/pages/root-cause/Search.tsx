/** The button that looks for the cause, its options, and the waiting. */

import { Note } from "../../components/parts";
import { Elapsed } from "../tables/Elapsed";
import type { Choices } from "./asking";
import { Options } from "./Options";

export function Search(props: {
  /** Whether a report is shown already. */
  again: boolean;
  since: number | null;
  choices: Choices;
  choose: (choices: Choices) => void;
  look: () => void;
  leave: () => void;
}) {
  const { since, again } = props;
  return (
    <form
      class="search"
      onSubmit={(event) => {
        event.preventDefault();
        props.look();
      }}
    >
      <div class="row">
        <button type="submit" class="button primary" disabled={since !== null}>
          {since !== null ? "Looking for the cause…" : again ? "Look again" : "Find the cause"}
        </button>
        {since !== null && (
          <button type="button" class="button" onClick={props.leave}>
            Stop waiting
          </button>
        )}
        <Options choices={props.choices} change={props.choose} disabled={since !== null} />
      </div>
      {since !== null && (
        <Note>
          <span role="status">The agents are at work; a language model on a processor may take minutes.</span> <Elapsed since={since} />{" "}
          passed. You can leave: the run goes on, and is listed under Runs when it is done.
        </Note>
      )}
    </form>
  );
}
