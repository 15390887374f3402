/** Baseline and current answers side by side, and what else differs between them. */

import "../styles/compare.css";

import { useEffect, useMemo } from "preact/hooks";

import { useQuery } from "../api/query";
import { MonitorPicker, useMonitors } from "../components/MonitorPicker";
import { Card, Empty, Failed, Heading, Loading } from "../components/parts";
import { Promote } from "../components/Promote";
import { Changes } from "./compare/Changes";
import { Features } from "./compare/Features";
import { Looked } from "./compare/Looked";
import { Pairs } from "./compare/Pairs";
import { Topics } from "./compare/Topics";
import { Waiting } from "./compare/Waiting";

const SECTIONS = [
  ["pairs", "Answers"],
  ["topics", "Topics"],
  ["features", "Behaviour"],
  ["settings", "Settings"],
] as const;

const PAIRS = 50;

export function Compare() {
  const { monitors, monitor, name, choose, error, refresh, known } = useMonitors(true);
  return (
    <>
      <Heading title="Compare" text="The baseline's answers beside the current ones, those that differ most tellingly first.">
        <div class="cmp-pick">
          <MonitorPicker monitors={monitors} name={name} choose={choose} />
        </div>
        {monitor && <Promote key={monitor.name} monitor={monitor.name} />}
      </Heading>
      <Failed error={error} retry={refresh} />
      {known ? <Comparison monitor={name} /> : !error && <Loading what="monitors" />}
    </>
  );
}

function Comparison(props: { monitor: string | undefined }) {
  const { monitor } = props;
  const on = ["score", "evidence", "baseline"] as const;
  const samples = useQuery("/samples", { query: { monitor, order: "witness", limit: PAIRS }, on });
  const evidence = useQuery("/drift/evidence", { query: { monitor }, on });
  const paired = useMemo(() => new Set(samples.data?.pairs.map((pair) => pair.exchange_id)), [samples.data]);
  const loaded = Boolean(samples.data && evidence.data);
  useEffect(() => {
    // The browser looked for the address's section before there was one.
    const section = location.hash.slice(1);
    if (loaded && section) document.getElementById(section)?.scrollIntoView();
  }, [loaded]);
  const again = () => {
    samples.refresh();
    evidence.refresh();
  };
  const error = samples.error || evidence.error;
  if (error && !loaded) return <Failed error={error} retry={again} />;
  if (!samples.data || !evidence.data) return <Loading what="the answers" />;
  const { status, message, pairs } = samples.data;
  const found = evidence.data;
  if (status !== "ready" && !pairs.length) return <Waiting status={status} message={message} monitor={monitor} />;
  return (
    <>
      <Failed error={error} retry={again} />
      <Looked evidence={found} monitor={monitor} done={again} />
      <nav class="cmp-nav" aria-label="On this page">
        {SECTIONS.map(([id, title]) => (
          <a key={id} href={`#${id}`}>
            {title}
          </a>
        ))}
      </nav>
      {pairs.length ? (
        <Pairs samples={samples.data} evidence={found} />
      ) : (
        <Card id="pairs" title="Answers in pairs">
          <Empty title="No pairs yet">
            <p>
              {message} Pairs are made when the monitor is looked at closely; choose “{found.id ? "Look again" : "Look now"}”
              above to do that now.
            </p>
          </Empty>
        </Card>
      )}
      <Topics evidence={found} paired={paired} />
      <Features features={found.features} />
      <Changes evidence={found} />
    </>
  );
}
