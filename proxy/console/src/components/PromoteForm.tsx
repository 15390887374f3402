/** What the new baseline would be, and the button that makes it. */

import { useEffect, useRef, useState } from "preact/hooks";

import { type Answer, type Schemas, send } from "../api/client";
import { useQuery } from "../api/query";
import { Failed, Field, Loading } from "./parts";
import { PromotePreview } from "./PromotePreview";
import type { Made } from "./PromoteUndo";

const TYPING_MS = 350;

export function PromoteForm(props: { monitor?: string; close: () => void; done: (made: Made) => void }) {
  const [last, setLast] = useState("");
  const [note, setNote] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const asked = useSettled(last);
  const query = useQuery("/baseline/preview", { query: { monitor: props.monitor, last: asked }, on: ["baseline"] });
  // The one before stays on show while another number is read, so that the dialog does not jump.
  const before = useRef<Schemas["Preview"] | undefined>(undefined);
  if (query.data) before.current = query.data;
  const preview = query.data ?? before.current;
  const current = query.data !== undefined && asked === last;

  const make = async () => {
    if (!preview) return;
    setBusy(true);
    setError("");
    try {
      const body = { monitor: preview.monitor, last: asked ? Number(asked) : null, note: note.trim() };
      const response = await send("POST", "/baseline", { body });
      const answer = (await response.json()) as Answer<"/baseline", "post">;
      props.done({
        id: answer.baseline_id,
        monitor: answer.monitor ?? preview.monitor ?? "",
        message: answer.message,
        later: response.status === 202,
        replaced: preview.replaces,
      });
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
      setBusy(false);
    }
  };

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      {!preview && !query.error && <Loading what="the preview" />}
      {preview && <PromotePreview preview={preview} busy={!current} />}
      <Failed error={query.error} retry={query.refresh} />
      <div class="promote-fields">
        <Field label="Only the last … answers" hint="Empty: all since the present baseline.">
          <input
            type="number"
            inputMode="numeric"
            min="1"
            step="1"
            placeholder="all"
            value={last}
            onInput={(event) => setLast(event.currentTarget.value.trim())}
          />
        </Field>
        <Field label="Note" hint="For later: what this baseline stands for.">
          <input
            type="text"
            maxLength={1000}
            placeholder="Release 4.3"
            value={note}
            onInput={(event) => setNote(event.currentTarget.value)}
          />
        </Field>
      </div>
      <Failed error={error} />
      <div class="row">
        <button type="submit" class="button primary" disabled={busy || !current || !preview || preview.size < 2}>
          {busy ? "Making it…" : preview && preview.size > 1 ? `Make these ${preview.size} the baseline` : "Make it the baseline"}
        </button>
        <button type="button" class="button" onClick={props.close}>
          Cancel
        </button>
      </div>
    </form>
  );
}

/** The value once nobody has changed it for a moment. */
function useSettled(value: string): string {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => settle(value), TYPING_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
