/** There is no report: why, and what to do. */

import { to } from "../../api/address";
import { Empty } from "../../components/parts";
import { visible } from "../tables/visible";

export function Nothing(props: { status: string; message: string; monitor: string | undefined; unsought?: boolean }) {
  const { status, message, monitor, unsought } = props;
  return (
    <Empty title={unsought && status === "ready" ? "No cause has been looked for yet" : status === "ready" ? "There is nothing to explain" : "There is nothing to explain yet"}>
      {message && <p>{visible(message)}</p>}
      {status === "ready" ? (
        unsought && (
          <p class="muted">
            “Find the cause” has three agents work one after the other: triage says how bad it is and what moved, diagnosis names
            the cause, and recommendation what to do. Each step is shown as it comes, and the report is kept.
          </p>
        )
      ) : status === "not_initialized" ? (
        <p>
          Driftium has to see answers first: <a href="/set-up">set-up</a> shows what to paste into a client, and the{" "}
          <a href="/playground">playground</a> sends a prompt at once.
        </p>
      ) : status === "waiting_for_baseline" ? (
        <p>
          A cause is the difference from a baseline: make one from the answers so far on the <a href={to("/", { monitor })}>overview</a>.
        </p>
      ) : (
        <p>
          There is a baseline and nothing to compare with it yet: send more traffic, or try some prompts in the{" "}
          <a href={to("/playground", { monitor })}>playground</a>.
        </p>
      )}
    </Empty>
  );
}
