/** Store the chosen table as a reference to compare others with. */

import { useState } from "preact/hooks";

import { Dialog } from "../../components/Dialog";
import { Failed, Field } from "../../components/parts";
import { Sending } from "./Sending";
import { useSending } from "./progress";
import { visible } from "./visible";

const NAME = "[A-Za-z0-9_\\-][A-Za-z0-9._\\-]{0,63}";

export function Keep(props: { file: File | null; stored: () => void }) {
  const { file } = props;
  const [open, show] = useState(false);
  const [name, call] = useState("");
  const [kept, keep] = useState("");
  const { progress, error, start, cancel, forget } = useSending();
  const close = () => {
    cancel();
    forget();
    show(false);
  };
  const store = async () => {
    const form = new FormData();
    form.append("file", file!, file!.name);
    const done = await start("PUT", `/api/monitoring/references/${encodeURIComponent(name)}`, form);
    if (!done) return;
    keep(name);
    show(false);
    props.stored();
  };
  return (
    <>
      <button type="button" class="button" disabled={!file} onClick={() => (keep(""), show(true))}>
        Store as reference…
      </button>
      {kept && (
        <span class="small" role="status">
          Stored as {kept}.
        </span>
      )}
      {open && file && (
        <Dialog title="Store as reference" onClose={close}>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              // The form around this one must not be sent.
              event.stopPropagation();
              void store();
            }}
          >
            <p>{visible(file.name)} is kept at the server, and other tables can be compared with it by its name.</p>
            <Field label="Name" hint="1 to 64 of A-Z a-z 0-9 . _ - and no dot at the beginning. A name that exists is replaced.">
              <input
                required
                pattern={NAME}
                autoComplete="off"
                spellcheck={false}
                autoFocus
                value={name}
                onInput={(event) => call(event.currentTarget.value)}
              />
            </Field>
            <Failed error={error} />
            {progress ? (
              <Sending progress={progress} doing="Reading the table" cancel={cancel} />
            ) : (
              <div>
                <button type="submit" class="button primary">
                  Store
                </button>
              </div>
            )}
          </form>
        </Dialog>
      )}
    </>
  );
}
