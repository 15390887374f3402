/** Say that somebody knows of a drift and deals with it: nobody is told again, until it grows worse or is over. */

import { useState } from "preact/hooks";

import { post, Refused, remove, type Schemas } from "../../api/client";
import { Dialog } from "../../components/Dialog";
import { Failed, Field, Note, Time } from "../../components/parts";

type Known = Schemas["AcknowledgementView"] | null;

export function Acknowledge(props: {
  monitor: string;
  severity: Schemas["DriftView"]["severity"];
  known: Known;
  changed: () => void;
}) {
  const { monitor, severity, known, changed } = props;
  const [open, setOpen] = useState(false);
  const [error, setError] = useState("");
  const withdraw = async () => {
    try {
      await remove("/monitors/{name}/acknowledge", { path: { name: monitor } });
      setError("");
      changed();
    } catch (refused) {
      setError(refused instanceof Refused ? refused.message : String(refused));
    }
  };
  if (known)
    return (
      <Note>
        {known.by ? <b>{known.by}</b> : "Somebody"} knows of it since <Time at={known.at} /> (at {known.severity})
        {known.note && <>: {known.note}</>}{" "}
        <button type="button" class="button small" onClick={() => void withdraw()}>
          Withdraw
        </button>
        <Failed error={error} />
      </Note>
    );
  if (!severity || severity === "LOW") return null;
  return (
    <>
      <button type="button" class="button" onClick={() => setOpen(true)}>
        Acknowledge
      </button>
      {open && (
        <AcknowledgeDialog
          monitor={monitor}
          close={() => setOpen(false)}
          done={() => {
            setOpen(false);
            changed();
          }}
        />
      )}
    </>
  );
}

function AcknowledgeDialog(props: { monitor: string; close: () => void; done: () => void }) {
  const [by, setBy] = useState("");
  const [note, setNote] = useState("");
  const [error, setError] = useState("");
  const acknowledge = async () => {
    try {
      await post("/monitors/{name}/acknowledge", { path: { name: props.monitor }, body: { by, note } });
      props.done();
    } catch (refused) {
      setError(refused instanceof Refused ? refused.message : String(refused));
    }
  };
  return (
    <Dialog title={`Acknowledge the drift of ${props.monitor}`} onClose={props.close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void acknowledge();
        }}
      >
        <p>Nobody is notified of it again, until it grows worse. It is over by itself when the severity is LOW.</p>
        <Field label="Who" hint="Who deals with it.">
          <input maxLength={100} value={by} onInput={(event) => setBy(event.currentTarget.value)} />
        </Field>
        <Field label="Note" hint="What is being done.">
          <input maxLength={1000} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
        </Field>
        <Failed error={error} />
        <div>
          <button type="submit" class="button primary">
            Acknowledge
          </button>
        </div>
      </form>
    </Dialog>
  );
}
