/** Before anything has passed: how to send the first answers, and what follows then. */

import { useQuery } from "../../api/query";
import { Empty, Note } from "../../components/parts";
import { plural } from "../../format";
import { Clients } from "./Clients";

export function FirstAnswer() {
  const { data } = useQuery("/api/health", { on: ["worker"], every: 2 });
  const waiting = data?.tap.lag_exchanges ?? 0;
  const model = data?.upstream.models?.[0] ?? "smollm:135m";
  return (
    <Empty title="No answer has passed yet">
      {waiting > 0 && (
        <Note kind="good">{plural(waiting, "exchange")} came, and will be shown here as soon as the worker has scored them.</Note>
      )}
      <p>
        Point a client's base URL at Driftium; this page fills by itself. Or ask something in the{" "}
        <a href="/playground">playground</a>.
      </p>
      <Clients model={model} />
      <ol class="steps">
        <li>Send your usual traffic: 100 answers or more.</li>
        <li>Make them the baseline, here or in the playground.</li>
        <li>From then on every answer is compared with it.</li>
      </ol>
    </Empty>
  );
}
