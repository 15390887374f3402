/** One exchange that an address names and that is in none of the pairs, beside the baseline's nearest answers. */

import { useEffect, useRef } from "preact/hooks";

import { useQuery } from "../../api/query";
import { Card, Failed, Loading, Note } from "../../components/parts";
import { fixed } from "../../format";

const NEIGHBOURS = 3;

export function OneExchange(props: { id: string }) {
  const { data, error, refresh } = useQuery("/exchanges/{exchange_id}/place", {
    path: { exchange_id: props.id },
    query: { neighbours: NEIGHBOURS },
  });
  const box = useRef<HTMLDivElement>(null);
  const known = data !== undefined;
  useEffect(() => {
    if (known) box.current?.scrollIntoView({ block: "start" });
  }, [known]);
  return (
    <div ref={box} class="cmp-one">
      <Card title="The exchange that the address names" aside={<code class="small">{props.id}</code>}>
        <Failed error={error} retry={refresh} />
        {!data && !error && <Loading />}
        {data && (
          <>
            <h3>{data.prompt || "(prompt not kept)"}</h3>
            <p class="text">{data.response || "(answer not kept)"}</p>
            {data.status !== "ready" && <Note>{data.message}</Note>}
            {data.neighbours.length > 0 && (
              <details>
                <summary>The baseline's answers that are most like it</summary>
                <ol class="stack">
                  {data.neighbours.map((one) => (
                    <li key={one.exchange_id}>
                      <p>
                        <b>{one.prompt || one.exchange_id}</b> <span class="muted small">cosine {fixed(one.similarity, 2)}</span>
                      </p>
                      <p class="text muted">{one.response}</p>
                    </li>
                  ))}
                </ol>
              </details>
            )}
          </>
        )}
      </Card>
    </div>
  );
}
