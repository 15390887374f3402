/** Why there is nothing to compare yet, and what to do about it. */

import { to } from "../../api/address";
import type { Schemas } from "../../api/client";
import { Empty } from "../../components/parts";

type Status = Schemas["SamplesView"]["status"];

const TITLES: Record<Exclude<Status, "ready">, string> = {
  not_initialized: "No answers to compare yet",
  waiting_for_baseline: "There is no baseline to compare with",
  waiting_for_telemetry: "Not enough answers since the baseline yet",
};

export function Waiting(props: { status: Exclude<Status, "ready">; message: string; monitor: string | undefined }) {
  const { status, message, monitor } = props;
  return (
    <Empty title={TITLES[status]}>
      <p>{message}</p>
      {status === "waiting_for_baseline" && (
        <p>When the answers are as you want them, choose “Use current answers as baseline” above.</p>
      )}
      <div class="row">
        {status !== "waiting_for_baseline" && (
          <a class="button primary" href={to("/set-up")}>
            Send traffic through Driftium
          </a>
        )}
        <a class="button" href={to("/playground", { monitor })}>
          Ask in the playground
        </a>
      </div>
    </Empty>
  );
}
