/** What is done by the clock: notifications, collected logs, canaries. Their settings, and how the sources stand. */

import { useQuery } from "../../api/query";
import type { Schemas } from "../../api/client";
import { Code } from "../../components/Copy";
import { Card, Failed, Time } from "../../components/parts";
import { count, spaced } from "../../format";

type Source = Schemas["SourceView"];

const SETTINGS = `# config.toml, where driftium serve is started
# Tell Slack; or teams, pagerduty, webhook
[[notify]]
name = "on-call"
type = "slack"
url_env = "SLACK_WEBHOOK_URL"

# Watch answers that another proxy logs
[[ingest]]
name = "gateway"
path = "/var/log/llm/*.jsonl"

# Ask the same every day: is it the same model?
[[canary]]
name = "basics"
prompts_file = "prompts.txt"`;

export function Scheduled() {
  const { data, error, refresh } = useQuery("/ingest", { every: 15 });
  return (
    <Card title="By the clock">
      <p>
        Notifications without Prometheus, answers collected from logs, and canaries: prompts that never change, asked on a schedule.
      </p>
      <Code text={SETTINGS} what="settings of notifications, sources and canaries" />
      <p class="small muted">
        <code>driftium notify --test</code> tries each channel, <code>driftium ingest FILE --dry-run</code> says what a file holds.
        Every key is in the config.toml that comes with Driftium.
      </p>
      <Failed error={error} retry={refresh} />
      {data && data.sources.length > 0 && <Sources sources={data.sources} />}
    </Card>
  );
}

function Sources(props: { sources: readonly Source[] }) {
  return (
    <div class="table-wrap" tabIndex={0} role="region" aria-label="Table: sources of collected logs">
      <table>
        <thead>
          <tr>
            <th scope="col">Source</th>
            <th scope="col">State</th>
            <th scope="col">Exchanges</th>
            <th scope="col">Last read</th>
          </tr>
        </thead>
        <tbody>
          {props.sources.map((one) => (
            <tr key={one.name}>
              <td>
                {one.name}
                <br />
                <span class="small muted clip">{one.place}</span>
              </td>
              <td>
                {spaced(one.status)}
                <br />
                <span class="small muted">{one.message}</span>
              </td>
              <td class="small">
                {Object.entries(one.counts)
                  .filter(([, number]) => number > 0)
                  .map(([result, number]) => `${count(number)} ${spaced(result)}`)
                  .join(", ") || "none"}
              </td>
              <td>
                <Time at={one.last_run_at} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
