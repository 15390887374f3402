/** The first page: what is watched, how it stands, and how it came there. */

import "../styles/overview.css";

import { useState } from "preact/hooks";

import type { Schemas } from "../api/client";
import { useQuery } from "../api/query";
import { MonitorPicker, useMonitors } from "../components/MonitorPicker";
import { Empty, Failed, Heading, Loading } from "../components/parts";
import { Promote } from "../components/Promote";
import { Baselines } from "./overview/Baselines";
import { Canaries } from "./overview/Canaries";
import { Coverage } from "./overview/Coverage";
import { Detectors } from "./overview/Detectors";
import { Figures } from "./overview/Figures";
import { HistoryCard } from "./overview/HistoryCard";
import { Mute } from "./overview/Mute";
import { MonitorTable } from "./overview/MonitorTable";
import { Standing } from "./overview/Standing";
import { Trend } from "./overview/Trend";
import { Wrong } from "./overview/Wrong";
import { FirstAnswer } from "./set-up/FirstAnswer";

export function Overview() {
  const { monitors, name, choose, error, known, refresh } = useMonitors(true);
  // After a new baseline nothing that was said of the old one stays on the page.
  const [turn, setTurn] = useState(0);
  return (
    <>
      <Heading title="Overview" text="How far the answers have moved from their baseline, and whose doing it is.">
        <div class="row">
          <MonitorPicker monitors={monitors} name={name} choose={choose} />
          {/* Here, whatever the monitor's status becomes: the offer to undo must not go with it. */}
          {name && <Promote key={name} monitor={name} changed={() => setTurn((n) => n + 1)} />}
        </div>
      </Heading>
      <Wrong />
      <Failed error={error} retry={refresh} />
      {!known && !error && <Loading what="the monitors" />}
      {known && !monitors.length && <FirstAnswer />}
      {known && monitors.length > 0 && name && (
        <>
          {monitors.length > 1 && <MonitorTable monitors={monitors} name={name} />}
          <Monitor key={`${name} ${turn}`} name={name} changed={refresh} />
        </>
      )}
      {known && <Canaries />}
    </>
  );
}

function Monitor(props: { name: string; changed: () => void }) {
  const { name } = props;
  const drift = useQuery("/drift", {
    query: { monitor: name },
    on: ["score", "evidence", "baseline", "mute", "acknowledge", "erased", "worker"],
    every: 5,
  });
  const latest = useQuery("/drift/history", { query: { monitor: name, limit: 20 }, on: ["score", "baseline"] });
  // A p-value is made when somebody looks, and holds until the next report.
  const [looked, setLooked] = useState<Schemas["DriftView"]>();
  const read = drift.data;
  const view = read && looked && looked.timestamp === read.timestamp ? { ...read, p_value: looked.p_value } : read;
  if (!view) return drift.error ? <Failed error={drift.error} retry={drift.refresh} /> : <Loading what={name} />;
  const refresh = () => {
    drift.refresh();
    props.changed();
  };
  if (view.status === "not_initialized")
    return (
      <Empty title={`Nothing can be said of ${name} yet`}>
        <p>{view.message}</p>
        <a class="button" href="/set-up">
          What is missing
        </a>
      </Empty>
    );
  const waiting = view.status === "waiting_for_baseline";
  return (
    <div class="overview">
      {drift.error && (
        <div class="wide">
          <Failed error={drift.error} retry={refresh} />
        </div>
      )}
      <div class="stack">
        {waiting ? (
          <Empty title="These answers have no baseline yet">
            <p>{view.message}</p>
            <p class="muted">
              A baseline is the answers as you want them: 100 to 500 are good. Later answers are compared with it. Once enough of
              your usual traffic has passed, make it with the button above.
            </p>
            <Mute monitor={name} mute={view.mute} changed={refresh} />
          </Empty>
        ) : (
          <Standing drift={view} looked={setLooked} refresh={refresh} />
        )}
        <Failed error={latest.error} retry={latest.refresh} />
        {latest.data && latest.data.history.length > 0 && <Trend points={latest.data.history} />}
        <Coverage drift={view} />
      </div>
      <div class="stack">
        {!waiting && <Figures drift={view} />}
        {view.detectors.length > 0 && <Detectors detectors={view.detectors} worst={view.detector} />}
        <Baselines monitor={name} />
      </div>
      {(!waiting || (latest.data && latest.data.history.length > 0)) && <HistoryCard monitor={name} />}
    </div>
  );
}
