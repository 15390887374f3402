/** One's own table: what to send, what to compare it with, and how. */

import { useState } from "preact/hooks";

import type { Schemas } from "../../api/client";
import { Field, Note } from "../../components/parts";
import { DropZone } from "./DropZone";
import { Keep } from "./Keep";
import { Sending } from "./Sending";
import { useSending } from "./progress";
import { Thresholds } from "./Thresholds";

/** The choice of a reference that is a file of one's own; no stored one can be named so. */
const FILE = "\n";

export function Own(props: {
  references: readonly Schemas["ReferenceView"][];
  compared: (run: Schemas["Run"]) => void;
  stored: () => void;
}) {
  const { references } = props;
  const [file, take] = useState<File | null>(null);
  const [reference, choose] = useState("");
  const [other, takeOther] = useState<File | null>(null);
  const [set, change] = useState({ p: "", effect: "", dataset: "" });
  const { progress, error, start, cancel, forget } = useSending();
  const busy = progress !== null;

  const given = (files: File[]) => {
    forget();
    take(files[0] ?? null);
    if (files[1]) givenOther(files[1]);
  };
  const givenOther = (one: File | undefined) => {
    forget();
    takeOther(one ?? null);
    choose(one ? FILE : "");
  };
  const compare = async () => {
    if (!file) return;
    const form = new FormData();
    // The server reads in this order, and may refuse a setting before the files have come.
    if (set.p) form.append("p_threshold", set.p);
    if (set.effect) form.append("effect_threshold", set.effect);
    if (set.dataset.trim()) form.append("dataset", set.dataset.trim());
    if (reference && reference !== FILE) form.append("reference", reference);
    if (reference === FILE && other) form.append("reference", other, other.name);
    form.append("file", file, file.name);
    const run = await start("POST", "/api/monitoring/upload", form);
    if (run) props.compared(run as Schemas["Run"]);
  };

  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void compare();
      }}
    >
      <div class="pair">
        <DropZone
          label="Your table"
          hint="Drop a CSV here (gzipped or Parquet as well). A second file dropped with it is the reference."
          file={file}
          take={given}
          clear={() => take(null)}
          disabled={busy}
        />
        <div class="stack">
          <Field label="Compare it with">
            <select value={reference} disabled={busy} onChange={(event) => choose(event.currentTarget.value)}>
              <option value="">the shipped bank marketing rows</option>
              {references
                .filter((one) => !one.shipped)
                .map((one) => (
                  <option key={one.name} value={one.name}>
                    stored: {one.name}
                  </option>
                ))}
              <option value={FILE}>another file</option>
            </select>
          </Field>
          {reference === FILE && (
            <DropZone
              label="The reference"
              hint="Drop the table as it was."
              file={other}
              take={(files) => givenOther(files[0])}
              clear={() => takeOther(null)}
              disabled={busy}
            />
          )}
        </div>
      </div>
      <Thresholds set={set} change={change} disabled={busy} />
      {progress ? (
        <Sending progress={progress} doing="Comparing" cancel={cancel} />
      ) : (
        <div class="row">
          <button type="submit" class="button primary" disabled={!file || (reference === FILE && !other)}>
            Compare
          </button>
          <Keep file={file} stored={props.stored} />
          {!file && <span class="muted small">Choose a table first.</span>}
        </div>
      )}
      {error && (
        <Note kind="error">
          <p>{error}</p>
          <p class="small">Nothing was stored. The settings stay: mend the table, choose it again, and compare.</p>
        </Note>
      )}
    </form>
  );
}
