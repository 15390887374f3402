/** What is there, what is missing, and what to paste where. */

import "../styles/set-up.css";

import { useState } from "preact/hooks";

import { useQuery } from "../api/query";
import { forgetToken, token } from "../api/token";
import { Code } from "../components/Copy";
import { Card, Failed, Heading, Loading } from "../components/parts";
import { Clients } from "./set-up/Clients";
import { type Part, problems } from "./set-up/parts";
import { Scheduled } from "./set-up/Scheduled";

const SHAPES: Record<Part["state"], readonly [path: string, word: string]> = {
  good: ["M3 8.5 6.5 12 13 4.5", "ready"],
  waiting: ["M8 3v5.5l3.5 2", "not yet"],
  bad: ["M4 4l8 8M12 4l-8 8", "needs mending"],
};

export function SetUp() {
  const { data, error, refresh } = useQuery("/api/health", { on: ["worker"], every: 5 });
  const model = data?.upstream.models?.[0] ?? "smollm:135m";
  return (
    <>
      <Heading title="Set-up" text="What is there, what is missing, and what to paste where." />
      <Failed error={error} retry={refresh} />
      <div class="set-up">
        <Card title="Parts" aside={data && <span class="muted small">Driftium {data.version}</span>}>
          {data ? <Parts parts={problems(data)} /> : !error && <Loading />}
          <p class="small muted">
            <code>driftium doctor</code> checks the same from a terminal, with the disk and the ports.
          </p>
        </Card>
        <Card title="Your client">
          <p>Change one line, the base URL. Answers pass byte for byte; the key is passed on to the model server.</p>
          <Clients model={model} />
          <p class="small muted">
            The header <code>x-driftium-monitor: NAME</code> names a population of its own (default: one for each model);{" "}
            <code>x-driftium-skip: 1</code> leaves an exchange out.
          </p>
        </Card>
        <Card title="Prometheus">
          <p>
            The gauges are at{" "}
            <a href="/metrics" target="_blank" rel="noopener">
              /metrics
            </a>
            . In <code>prometheus.yml</code>:
          </p>
          <Code text={scrape()} what="Prometheus scrape config" />
          <p>Alert rules and a Grafana dashboard come with Driftium:</p>
          <Code text={EXPORTS} what="export commands" />
        </Card>
        <Scheduled />
        <Card title="From a terminal">
          <Code
            what="commands"
            text={["driftium demo", "driftium drift --fail-on HIGH", "driftium rca --markdown", "driftium tabular before.csv now.csv"].join("\n")}
          />
          <p class="small muted">
            In turn: the whole story in two minutes; exit code 3 on drift, for a CI job; the cause, for a ticket; the drift of two
            tables. Every route is listed at {/* Not a page of the console: in a tab of its own, where no router takes the click. */}
            <a href="/schema" target="_blank" rel="noopener">
              /schema
            </a>.
          </p>
        </Card>
        <Token />
      </div>
    </>
  );
}

function Parts(props: { parts: readonly Part[] }) {
  return (
    <ul class="parts">
      {props.parts.map((part) => {
        const [path, word] = SHAPES[part.state];
        return (
          <li key={part.name}>
            <svg class={part.state} viewBox="0 0 16 16" aria-hidden="true">
              <circle cx="8" cy="8" r="7.2" fill="none" stroke="currentColor" />
              <path d={path} fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" />
            </svg>
            <div class="what">
              <p>
                <b>{part.name}</b> <span class="muted">{part.role}:</span> {word}
              </p>
              <p class="small">{part.message}</p>
              {part.mend && <Code text={part.mend} what={`command that mends ${part.name}`} />}
            </div>
          </li>
        );
      })}
    </ul>
  );
}

const EXPORTS = ["driftium export rules --output .", "driftium export dashboards --output ."].join("\n");

const AUTHORISED = `
    # Only where metrics.require_token is set:
    authorization:
      credentials_file: /etc/prometheus/driftium_token`;

function scrape(): string {
  return `scrape_configs:
  - job_name: driftium
    scheme: ${location.protocol.replace(":", "")}
    static_configs:
      - targets: ["${location.host}"]${token() ? AUTHORISED : ""}`;
}

function Token() {
  const [kept, keep] = useState(token() !== null);
  if (!kept) return null;
  return (
    <Card title="Admin token">
      <p>This browser keeps the admin token of this Driftium.</p>
      <div>
        <button
          type="button"
          class="button"
          onClick={() => {
            forgetToken();
            keep(false);
          }}
        >
          Forget it
        </button>
      </div>
    </Card>
  );
}
