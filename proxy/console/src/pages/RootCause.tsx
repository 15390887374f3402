/** Why a monitor has drifted: the report, its evidence, and how it was found. */

import "../styles/root-cause.css";

import { useLocation } from "preact-iso";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { here, to } from "../api/address";
import { useQuery } from "../api/query";
import { MonitorPicker, useMonitors } from "../components/MonitorPicker";
import { Failed, Heading, Loading, Note } from "../components/parts";
import { Actions } from "./root-cause/Actions";
import { CHOICES, useAsking } from "./root-cause/asking";
import { Citing } from "./root-cause/citing";
import { Evidence } from "./root-cause/Facts";
import { useLiveRun } from "./root-cause/live";
import { Nothing } from "./root-cause/Nothing";
import { Report } from "./root-cause/Report";
import { Runs } from "./root-cause/Runs";
import { Search } from "./root-cause/Search";
import { Moved } from "./root-cause/Statements";
import { Suspects } from "./root-cause/Suspects";
import { Trace } from "./root-cause/Trace";
import { traceOf } from "./root-cause/traced";

export function RootCause() {
  const { query, route } = useLocation();
  const named = query.run ?? "";
  const { monitors, name: picked, error: unread, refresh: reread, known } = useMonitors(!named);
  const [choices, choose] = useState(CHOICES);
  const [nothing, tell] = useState<{ monitor: string | null; status: string; message: string } | null>(null);

  const report = useQuery("/drift/rca/runs/{run_id}", { path: { run_id: named }, enabled: Boolean(named) });
  // A run that the address names says itself which monitor it is about.
  const monitor = named ? (report.data?.monitor ?? query.monitor ?? (report.error ? picked : undefined)) : picked;
  const asking = useAsking(monitor);
  useLayoutEffect(() => tell(null), [monitor]);
  const runs = useQuery("/drift/rca/runs", { query: { monitor, limit: 20 }, enabled: Boolean(monitor) });
  const latest = named ? undefined : runs.data?.runs[0]?.id;
  const last = useQuery("/drift/rca/runs/{run_id}", { path: { run_id: latest ?? "" }, enabled: Boolean(latest) });
  const { data: fetched, error: unfound } = named ? report : last;
  const shown = useRef(fetched);
  if (fetched) shown.current = fetched;
  // While another report is fetched the one before stays, so that the page does not jump.
  const view = fetched ?? (!unfound && shown.current?.monitor === monitor ? shown.current : undefined);

  const live = useLiveRun(monitor, runs.refresh);
  const tables = Boolean(view?.evidence.some((fact) => fact.kind === "table"));
  const reports = useQuery("/api/monitoring/reports", { query: { limit: 200 }, enabled: tables }).data?.reports;
  const citing = useMemo(
    () => ({ monitor: monitor ?? "", facts: new Map(view?.evidence.map((fact) => [fact.id, fact])), reports: reports ?? [] }),
    [monitor, view, reports],
  );

  const look = async () => {
    tell(null);
    const answer = await asking.ask(choices, Boolean(view));
    if (answer === null) return;
    if (!answer.available) return tell(answer);
    runs.refresh();
    route(here({ monitor: answer.monitor, run: answer.id }));
  };
  const running = asking.since !== null || live?.state === "running";
  const opened = useMemo(() => Date.now(), [named, monitor]);
  const listed = runs.data?.runs.some((run) => run.id === live?.id);
  const awaited = named ? live?.id === named : !listed || live?.id === latest;
  const trace = traceOf({ monitor: monitor ?? "", live, view, since: asking.since, awaited, opened });
  const newer = named && runs.data?.runs[0]?.id !== named && live?.state === "done" && live.id === runs.data?.runs[0]?.id;

  return (
    <Citing.Provider value={citing}>
      <Heading title="Root cause" text="Why a monitor has drifted, what to do, and the evidence that each sentence rests on.">
        <MonitorPicker monitors={monitors} name={monitor} choose={(name) => route(to("/root-cause", { monitor: name }), true)} />
      </Heading>
      <Failed error={unread} retry={reread} />
      {monitor && (
        <Search
          again={Boolean(view)}
          since={asking.since}
          choices={choices}
          choose={choose}
          look={() => void look()}
          leave={asking.leave}
        />
      )}
      <Failed error={asking.error} />
      <Failed error={unfound} />
      <Failed error={runs.error} retry={runs.refresh} />
      {newer && (
        <Note>
          A newer run has ended. <a href={to("/root-cause", { monitor, run: live.id })}>See it</a>
        </Note>
      )}
      {nothing && <Nothing status={nothing.status} message={nothing.message} monitor={nothing.monitor ?? undefined} />}
      {!view && !unfound && !nothing && !running && (
        known && (!monitor || runs.data) && !latest && !named ? (
          <Nothing {...standing(monitors.find((one) => one.name === monitor), monitor)} monitor={monitor} unsought />
        ) : (
          <Loading what="the report" />
        )
      )}
      <div class={`cause ${view ? "" : "alone"}`}>
        {view && (
          <div class="stack">
            <Report view={view} />
            <Actions actions={view.recommendations} severity={view.severity} />
          </div>
        )}
        <div class="stack">
          {trace && <Trace run={trace} />}
          {view && <Suspects suspects={view.diagnosis.suspects} cause={view.diagnosis.cause} />}
          {runs.data && <Runs runs={runs.data.runs} shown={view?.id ?? undefined} />}
        </div>
      </div>
      {view && <Moved statements={view.triage.moved} />}
      {view && <Evidence facts={view.evidence} />}
    </Citing.Provider>
  );
}

function standing(one: { status: string; message: string } | undefined, monitor: string | undefined) {
  if (one) return { status: one.status, message: one.message };
  return { status: "not_initialized", message: monitor ? `No answer of a monitor “${monitor}” has been seen.` : "" };
}
