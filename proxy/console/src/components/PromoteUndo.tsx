/** What became of a new baseline, and the way back from it. */

import { useState } from "preact/hooks";

import { type Answer, get, type Schemas, send } from "../api/client";
import { useEvents } from "../api/live";
import { Failed, Note } from "./parts";

export interface Made {
  id: string;
  monitor: string;
  message: string;
  /** The worker was busy: it will be made, but is not yet. */
  later: boolean;
  replaced: Schemas["Replaced"] | null;
}

interface Undone {
  message: string;
  later: boolean;
}

export function PromoteUndo(props: { made: Made; changed?: () => void; dismiss: () => void }) {
  const { made, dismiss } = props;
  const [waiting, setWaiting] = useState(made.later);
  const [undone, setUndone] = useState<Undone | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");

  useEvents(["baseline"], () => {
    if (!waiting) return;
    get("/baseline", { query: { monitor: made.monitor } }).then(
      ({ baselines }) => setWaiting(!baselines.some((one) => one.id === made.id)),
      () => undefined,
    );
  });

  const undo = async () => {
    setBusy(true);
    setError("");
    try {
      const response = made.replaced
        ? await send("POST", "/baseline/{id}/activate", { path: { id: made.replaced.id } })
        : await send("POST", "/baseline/{id}/deactivate", { path: { id: made.id } });
      const answer = (await response.json()) as Answer<"/baseline/{baseline_id}/activate", "post">;
      setUndone({ message: answer.message, later: response.status === 202 });
      props.changed?.();
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
    }
    setBusy(false);
  };

  const later = undone ? undone.later : waiting;
  return (
    <Note kind={later ? "warning" : "good"}>
      <div class="stack">
        <p role="status">
          {undone
            ? `${undone.later ? "Undo asked for." : "Undone."} ${undone.message}`
            : waiting || !made.later
              ? made.message
              : "The baseline is made."}{" "}
          {made.monitor && <span class="muted">Monitor: {made.monitor}.</span>}
        </p>
        <Failed error={error} />
        <div class="row">
          {!undone && !waiting && (
            <button type="button" class="button small" onClick={() => void undo()} disabled={busy}>
              {busy ? "Undoing…" : made.replaced ? "Undo: back to the baseline before" : "Undo: no baseline again"}
            </button>
          )}
          <button type="button" class="button quiet small" onClick={dismiss}>
            Dismiss
          </button>
        </div>
      </div>
    </Note>
  );
}
