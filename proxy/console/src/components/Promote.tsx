/** Make the current answers the baseline: a button, a preview before it, and a way back after it. */

import "./Promote.css";

import { useState } from "preact/hooks";

import { useQuery } from "../api/query";
import { plural } from "../format";

import { Dialog } from "./Dialog";
import { Note, Time } from "./parts";
import { PromoteForm } from "./PromoteForm";
import { type Made, PromoteUndo } from "./PromoteUndo";

/** What was made in this visit, by monitor: the way back is still offered when one returns to the page. */
const offered = new Map<string, Made>();

/**
 * The offer to undo stays beside the button until it is dismissed: keep this where it is while the monitor's status
 * changes, or the offer goes with it. In a wrapping row or a grid it takes a line of its own.
 */
export function Promote(props: { monitor?: string; changed?: () => void }) {
  const place = props.monitor ?? "";
  const [open, setOpen] = useState(false);
  const [made, keep] = useState<Made | null>(offered.get(place) ?? null);
  const setMade = (now: Made | null) => {
    if (now) offered.set(place, now);
    else offered.delete(place);
    keep(now);
  };
  return (
    <div class="promote">
      <button type="button" class="button" onClick={() => setOpen(true)}>
        Use current answers as baseline
      </button>
      {made && (
        <div class="promote-undo">
          <PromoteUndo key={made.id} made={made} changed={props.changed} dismiss={() => setMade(null)} />
        </div>
      )}
      {open && (
        <Dialog title="Use current answers as baseline" onClose={() => setOpen(false)}>
          <Drifted monitor={props.monitor} />
          <PromoteForm
            monitor={props.monitor}
            close={() => setOpen(false)}
            done={(now) => {
              setOpen(false);
              setMade(now);
              props.changed?.();
            }}
          />
        </Dialog>
      )}
    </div>
  );
}

/** Answers that have drifted make a baseline that calls the drift normal. */
function Drifted(props: { monitor?: string }) {
  const { data } = useQuery("/drift", { query: { monitor: props.monitor } });
  if (!data?.severity || data.severity === "LOW") return null;
  const since = data.changed_at;
  return (
    <Note kind="warning">
      {data.monitor} is {data.severity}
      {since && (
        <>
          {" "}
          since <Time at={since.at} />, the last {plural(since.samples_ago, "answer")}
        </>
      )}
      . A baseline of these answers makes what they have become the normal: find the cause first.
    </Note>
  );
}
