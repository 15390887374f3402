/** Ask a model, see its answer come, and where it falls among the baseline's. */

import "../styles/playground.css";

import { useEffect, useRef, useState } from "preact/hooks";

import { to, useParameter } from "../api/address";
import { useQuery } from "../api/query";
import { useMonitors } from "../components/MonitorPicker";
import { Card, Empty, Failed, Heading } from "../components/parts";
import { Promote } from "../components/Promote";
import { Form } from "./playground/Form";
import { Recent } from "./playground/Recent";
import { Results } from "./playground/Results";
import { running, useTurns } from "./playground/turns";

export function Playground() {
  const [monitor, choose] = useParameter("monitor");
  const { monitors, refresh } = useMonitors();
  const health = useQuery("/api/health", { on: ["worker"], every: 15 });
  const { turns, turn, start, show, stop } = useTurns();
  /** Where the latest answer was counted. */
  const [own, setOwn] = useState<string | null>(null);
  const results = useRef<HTMLDivElement>(null);
  const seen = useRef(turn?.id);
  useEffect(() => {
    if (turn?.id === seen.current) return;
    seen.current = turn?.id;
    // Below the form, on a narrow page: out of sight.
    if (matchMedia("(max-width: 60rem)").matches) results.current?.scrollIntoView();
  }, [turn?.id]);
  const upstream = health.data?.upstream;
  return (
    <>
      <Heading
        title="Playground"
        text="Answers from here are monitored like any other, marked as coming from the playground: they move the drift, and can become a baseline."
      >
        {monitors.length > 0 && <Promote key={monitor || own} monitor={monitor || own || undefined} />}
      </Heading>
      <Failed error={health.error} retry={health.refresh} />
      {upstream?.status === "down" && (
        <Failed error={`${upstream.message ?? "The model server does not answer."} ${upstream.mend ?? ""}`} retry={health.refresh} />
      )}
      <div class="play">
        <Card title="Ask" class="play-side">
          <label class="field">
            <span>Monitor</span>
            <select value={monitor} onChange={(event) => choose(event.currentTarget.value || null)}>
              <option value="">the model's own</option>
              {monitor && !monitors.some((one) => one.name === monitor) && <option value={monitor}>{monitor} (new)</option>}
              {monitors.map((one) => (
                <option key={one.name} value={one.name}>
                  {one.name}
                </option>
              ))}
            </select>
            <span class="hint">Whose baseline the answer is compared with, and where it is counted.</span>
          </label>
          <Form models={upstream?.models ?? []} monitor={monitor} busy={running(turn)} ask={start} stop={stop} />
        </Card>
        <div class="stack play-results" ref={results}>
          {turn ? (
            <Results
              turn={turn}
              settled={(name) => {
                setOwn(name);
                refresh();
              }}
            />
          ) : (
            <Empty title="Nothing asked yet">
              <p>
                Type a prompt and choose Ask. The answer comes here word by word, with its latency and tokens, and where it
                falls among the baseline's answers.
              </p>
              <p class="muted">
                To send your application's traffic instead, see <a href={to("/set-up")}>Set-up</a>.
              </p>
            </Empty>
          )}
          <Recent turns={turns} shown={turn?.id} show={show} />
        </div>
      </div>
    </>
  );
}
