/** Mute a monitor until a time, with a note that says why. */

import { useState } from "preact/hooks";

import { post, Refused, remove, type Schemas } from "../../api/client";
import { Dialog } from "../../components/Dialog";
import { Failed, Field, Note, Time } from "../../components/parts";

const SPANS: ReadonlyArray<readonly [hours: number, name: string]> = [
  [1, "1 hour"],
  [8, "8 hours"],
  [24, "1 day"],
  [168, "1 week"],
];

/** A moment as <input type=datetime-local> wants it. */
function inputValue(at: Date): string {
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function Mute(props: { monitor: string; mute: Schemas["MuteView"] | null; changed: () => void }) {
  const { monitor, mute, changed } = props;
  const [open, setOpen] = useState(false);
  const [error, setError] = useState("");
  const unmute = async () => {
    try {
      await remove("/monitors/{name}/mute", { path: { name: monitor } });
      setError("");
      changed();
    } catch (refused) {
      setError(refused instanceof Refused ? refused.message : String(refused));
    }
  };
  const dialog = open && (
    <MuteDialog
      monitor={monitor}
      note={mute?.note ?? ""}
      close={() => setOpen(false)}
      done={() => {
        setOpen(false);
        changed();
      }}
    />
  );
  if (mute)
    return (
      <Note kind="warning">
        Muted until <Time at={mute.until} />
        {mute.note && <>: {mute.note}</>}{" "}
        <span class="row">
          <button type="button" class="button small" onClick={() => void unmute()}>
            Unmute
          </button>
          <button type="button" class="button small" onClick={() => setOpen(true)}>
            Change
          </button>
        </span>
        <Failed error={error} />
        {dialog}
      </Note>
    );
  return (
    <>
      <button type="button" class="button" onClick={() => setOpen(true)}>
        Mute
      </button>
      {dialog}
    </>
  );
}

function MuteDialog(props: { monitor: string; note: string; close: () => void; done: () => void }) {
  const [until, setUntil] = useState(() => inputValue(new Date(Date.now() + 3_600_000)));
  const [note, setNote] = useState(props.note);
  const [error, setError] = useState("");
  const mute = async () => {
    try {
      const body = { until: new Date(until).toISOString(), note };
      await post("/monitors/{name}/mute", { path: { name: props.monitor }, body });
      props.done();
    } catch (refused) {
      setError(refused instanceof Refused ? refused.message : "Choose a time to mute until.");
    }
  };
  return (
    <Dialog title={`Mute ${props.monitor}`} onClose={props.close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void mute();
        }}
      >
        <p>Scores go on; everybody sees until when the monitor is muted, and why.</p>
        <div class="row">
          {SPANS.map(([hours, name]) => (
            <button
              key={name}
              type="button"
              class="button small"
              onClick={() => setUntil(inputValue(new Date(Date.now() + hours * 3_600_000)))}
            >
              {name}
            </button>
          ))}
        </div>
        <Field label="Until" hint="Your local time.">
          <input type="datetime-local" required value={until} onInput={(event) => setUntil(event.currentTarget.value)} />
        </Field>
        <Field label="Note" hint="Why, for whoever looks next.">
          <input maxLength={1000} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
        </Field>
        <Failed error={error} />
        <div>
          <button type="submit" class="button primary">
            Mute
          </button>
        </div>
      </form>
    </Dialog>
  );
}
