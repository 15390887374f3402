/** Make the current answers the baseline: a button, a preview before it, and a way back after it. */

import "./Promote.css";

import { useState } from "preact/hooks";

import { Dialog } from "./Dialog";
import { PromoteForm } from "./PromoteForm";
import { type Made, PromoteUndo } from "./PromoteUndo";

/**
 * The offer to undo stays beside the button until it is dismissed: keep this where it is while the monitor's status
 * changes, or the offer goes with it. In a wrapping row or a grid it takes a line of its own.
 */
export function Promote(props: { monitor?: string }) {
  const [open, setOpen] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
  return (
    <div class="promote">
      <button type="button" class="button" onClick={() => setOpen(true)}>
        Use current answers as baseline
      </button>
      {made && (
        <div class="promote-undo">
          <PromoteUndo key={made.id} made={made} dismiss={() => setMade(null)} />
        </div>
      )}
      {open && (
        <Dialog title="Use current answers as baseline" onClose={() => setOpen(false)}>
          <PromoteForm
            monitor={props.monitor}
            close={() => setOpen(false)}
            done={(now) => {
              setOpen(false);
              setMade(now);
            }}
          />
        </Dialog>
      )}
    </div>
  );
}
