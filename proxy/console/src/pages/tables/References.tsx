/** Tables that are kept to compare others with. */

import { useState } from "preact/hooks";

import { remove, type Schemas } from "../../api/client";
import { Dialog } from "../../components/Dialog";
import { Card, Failed, Time } from "../../components/parts";
import { bytes, count } from "../../format";

type Reference = Schemas["ReferenceView"];

export function References(props: { references: readonly Reference[]; changed: () => void }) {
  const [going, ask] = useState<Reference | null>(null);
  const [error, fail] = useState("");
  const close = () => {
    ask(null);
    fail("");
  };
  const take = async (name: string) => {
    try {
      await remove("/api/monitoring/references/{name}", { path: { name } });
      close();
    } catch (problem) {
      fail(problem instanceof Error ? problem.message : String(problem));
    }
    props.changed();
  };
  return (
    <Card title="References" aside={<span class="muted small">to compare with</span>}>
      <ul class="references">
        {props.references.map((one) => (
          <li key={one.name}>
            <div>
              <strong class="name">{one.name}</strong>
              <p class="muted small">
                {count(one.rows)} rows, {count(one.columns.length)} columns, {bytes(one.bytes)}
                {one.shipped ? " · comes with Driftium" : ""}
                {one.created_at && (
                  <>
                    {" · "}
                    <Time at={one.created_at} />
                  </>
                )}
              </p>
            </div>
            {!one.shipped && (
              <button type="button" class="button small danger" aria-label={`Delete the reference ${one.name}`} onClick={() => ask(one)}>
                Delete…
              </button>
            )}
          </li>
        ))}
      </ul>
      {going && (
        <Dialog title={`Delete the reference ${going.name}?`} onClose={close}>
          <p>
            Its {count(going.rows)} rows are deleted at the server, and nothing brings them back. Reports that were made with it stay.
          </p>
          <Failed error={error} />
          <div class="row">
            <button type="button" class="button danger" onClick={() => void take(going.name)}>
              Delete
            </button>
            <button type="button" class="button" autoFocus onClick={close}>
              Keep it
            </button>
          </div>
        </Dialog>
      )}
    </Card>
  );
}
