/** What became of the exchanges: how much of the traffic the figures rest on. */

import type { Schemas } from "../../api/client";
import { Card, Facts } from "../../components/parts";
import { count, percent, plural, seconds, spaced } from "../../format";

const FAILED = ["truncated", "too_large", "client_closed", "upstream_error", "http_error", "erased", "empty"] as const;

export function Coverage(props: { drift: Schemas["DriftView"] }) {
  const { coverage, lag_exchanges: lag, lag_seconds: late } = props.drift;
  const failed = FAILED.reduce((sum, name) => sum + coverage[name], 0);
  const share = (n: number) => (coverage.seen ? n / coverage.seen : 0);
  const parts = [
    ["scored", coverage.scored],
    ["sampled", coverage.sampled_out],
    ["failed", failed],
  ] as const;
  const known = FAILED.filter((name) => coverage[name] > 0);
  return (
    <Card title="Coverage" class="coverage">
      <div class="bar" aria-hidden="true">
        {parts.map(([name, n]) => n > 0 && <span key={name} class={name} style={{ width: `${share(n) * 100}%` }} />)}
      </div>
      <Facts
        facts={[
          ["Seen", count(coverage.seen), "exchanges"],
          ["Scored", count(coverage.scored), percent(share(coverage.scored), 1)],
          ["Sampled out", count(coverage.sampled_out), percent(share(coverage.sampled_out), 1)],
          ["Not scored", count(failed), known.map((name) => `${coverage[name]} ${spaced(name)}`).join(", ") || "none"],
          ["Dropped", count(coverage.dropped), "of all monitors; passed, not logged"],
          ["Lag", seconds(late), `${plural(lag, "exchange")} waiting`],
        ]}
      />
    </Card>
  );
}
