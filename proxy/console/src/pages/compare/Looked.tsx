/** When the monitor was looked at closely, and a way to look again. */

import { useState } from "preact/hooks";

import { get, type Schemas } from "../../api/client";
import { Failed, Time } from "../../components/parts";
import { Severity } from "../../components/Severity";
import { plural } from "../../format";

export function Looked(props: { evidence: Schemas["EvidenceView"] | undefined; monitor: string | undefined; done: () => void }) {
  const { evidence, monitor, done } = props;
  const [looking, setLooking] = useState(false);
  const [error, setError] = useState("");
  const look = async () => {
    setLooking(true);
    setError("");
    try {
      await get("/drift/evidence", { query: { monitor, fresh: true } });
      done();
    } catch (failure) {
      setError(String(failure instanceof Error ? failure.message : failure));
    }
    setLooking(false);
  };
  return (
    <div class="stack">
      <div class="row cmp-looked">
        {evidence?.id && <Severity severity={evidence.severity} />}
        <span class="muted small">
          {evidence?.id ? (
            <>
              {plural(evidence.window_samples, "current answer")} beside {evidence.baseline_samples} of the baseline, looked at{" "}
              <Time at={evidence.timestamp} />
            </>
          ) : (
            "Not looked at closely yet: that happens by itself once the severity is above LOW."
          )}
        </span>
        <button type="button" class="button small" onClick={() => void look()} disabled={looking}>
          {looking ? "Looking…" : evidence?.id ? "Look again" : "Look now"}
        </button>
      </div>
      {evidence?.attribution && <p class="cmp-reading">{evidence.attribution.message}</p>}
      <Failed error={error} />
    </div>
  );
}
