/** A monitor's baselines, and the way back to an earlier one. */

import { useState } from "preact/hooks";

import { post, Refused } from "../../api/client";
import { useQuery } from "../../api/query";
import { Dialog } from "../../components/Dialog";
import { Card, Failed, Note, Time } from "../../components/parts";
import { count, plural } from "../../format";

export function Baselines(props: { monitor: string }) {
  const { data, error, refresh } = useQuery("/baseline", { query: { monitor: props.monitor }, on: ["baseline"] });
  const [asked, ask] = useState<{ id: string; size: number }>();
  const [told, tell] = useState("");
  const [failed, fail] = useState("");
  const activate = async (id: string) => {
    ask(undefined);
    fail("");
    try {
      const answer = await post("/baseline/{baseline_id}/activate", { path: { baseline_id: id } });
      tell(answer.message);
      refresh();
    } catch (refused) {
      fail(refused instanceof Refused ? refused.message : String(refused));
    }
  };
  return (
    <Card title="Baselines">
      <Failed error={error || failed} />
      {told && <Note kind="good">{told}</Note>}
      {data && !data.baselines.length && <p class="muted">{data.message}</p>}
      {data && data.baselines.length > 0 && (
        <div class="table-wrap" tabIndex={0} role="region" aria-label="Table: Baselines">
          <table>
            <thead>
              <tr>
                <th scope="col">Made</th>
                <th scope="col" class="number">
                  Answers
                </th>
                <th scope="col">Note</th>
                <th scope="col">
                  <span class="sr">Use</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {data.baselines.slice(0, 20).map((one) => (
                <tr key={one.id}>
                  <td>
                    <Time at={one.created_at} />
                  </td>
                  <td class="number">{count(one.size)}</td>
                  <td>{one.note || <span class="muted">none</span>}</td>
                  <td>
                    {one.active ? (
                      <span class="badge low">in use</span>
                    ) : (
                      <button type="button" class="button small" onClick={() => ask(one)}>
                        Go back to it
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {asked && (
        <Dialog title="Go back to this baseline?" onClose={() => ask(undefined)}>
          <p>
            The next answers of {props.monitor} are compared with those {plural(asked.size, "answer")} again; its window
            starts anew where any were scored since. The baseline in use now stays in this list.
          </p>
          <div class="row">
            <button type="button" class="button primary" onClick={() => void activate(asked.id)}>
              Go back to it
            </button>
            <button type="button" class="button" onClick={() => ask(undefined)}>
              Leave it
            </button>
          </div>
        </Dialog>
      )}
    </Card>
  );
}
