/** How a monitor stands: health, severity, who changed, since when, and what can be done about it. */

import { useState } from "preact/hooks";

import { to } from "../../api/address";
import { get, Refused, type Schemas } from "../../api/client";
import { Card, Failed, Time } from "../../components/parts";
import { Severity } from "../../components/Severity";
import { ago, percent, plural } from "../../format";
import { Acknowledge } from "./Acknowledge";
import { Meter } from "./Meter";
import { Mute } from "./Mute";
import { VERDICTS } from "./words";

type Drift = Schemas["DriftView"];

export function Standing(props: { drift: Drift; looked: (fresh: Drift) => void; refresh: () => void }) {
  const { drift, looked, refresh } = props;
  const [looking, setLooking] = useState(false);
  const [error, setError] = useState("");
  const monitor = drift.monitor ?? undefined;
  const look = async () => {
    setLooking(true);
    setError("");
    try {
      looked(await get("/drift", { query: { monitor, fresh: true } }));
      refresh();
    } catch (refused) {
      setError(refused instanceof Refused ? refused.message : String(refused));
    }
    setLooking(false);
  };
  return (
    <Card
      title="How it stands"
      aside={
        <span class="row">
          <Severity severity={drift.severity} provisional={drift.provisional} />
          {drift.timestamp && (
            <span class="muted small">
              <Time at={drift.timestamp} />, {ago(drift.timestamp, Date.now())}
            </span>
          )}
        </span>
      }
    >
      <Meter health={drift.health_index} />
      <p class="said">{drift.message}</p>
      {drift.verdict && (
        <div class="verdict">
          <h3>{VERDICTS[drift.verdict]}</h3>
          {drift.verdict_message && <p>{drift.verdict_message}</p>}
        </div>
      )}
      {drift.changed_at && <Since since={drift.changed_at} />}
      <Failed error={error} />
      <div class="row">
        <button type="button" class="button" disabled={looking || !drift.baseline_id} onClick={() => void look()}>
          {looking ? "Looking…" : "Look now"}
        </button>
        <a class="button" href={to("/root-cause", { monitor })}>
          Find the cause
        </a>
        <a class="button" href={to("/compare", { monitor })}>
          Compare answers
        </a>
        {monitor && (
          <Acknowledge monitor={monitor} severity={drift.severity} known={drift.acknowledged} changed={refresh} />
        )}
        {monitor && <Mute monitor={monitor} mute={drift.mute} changed={refresh} />}
      </div>
    </Card>
  );
}

function Since(props: { since: Schemas["Since"] }) {
  const { since } = props;
  const sharp = since.earliest === since.latest;
  return (
    <p>
      Since <Time at={since.at} />
      {since.at && `, ${ago(since.at, Date.now())}`}, {plural(since.samples_ago, "answer")} ago
      {!sharp && (
        <span class="muted">
          {" "}
          ({percent(since.level)} interval: <Time at={since.earliest} /> to <Time at={since.latest} />, {since.samples_ago_most}{" "}
          to {since.samples_ago_least} answers ago)
        </span>
      )}
      .
    </p>
  );
}
