/** Two tables column by column: the shipped example, or one's own. */

import "../styles/tables.css";

import { useLocation } from "preact-iso";
import { useEffect, useRef, useState } from "preact/hooks";

import { here, to } from "../api/address";
import type { Schemas } from "../api/client";
import { useQuery } from "../api/query";
import { Card, Failed, Heading } from "../components/parts";
import { type Chosen, Example, EXAMPLE } from "./tables/Example";
import { Elapsed } from "./tables/Elapsed";
import { Own } from "./tables/Own";
import { References } from "./tables/References";
import { Reports } from "./tables/Reports";
import { Result } from "./tables/Result";
import { useSimulated } from "./tables/simulated";
import { Teach } from "./tables/Teach";

type Run = Schemas["Run"];

export function Tables() {
  const { query, route } = useLocation();
  const id = query.report ?? "";
  const example = !id && query.age !== undefined;
  const chosen: Chosen = { age: query.age ?? EXAMPLE.age, p: query.p ?? EXAMPLE.p, seed: query.seed ?? EXAMPLE.seed };
  const [own, choose] = useState(query.way === "own");
  const [sent, keep] = useState<Run | undefined>();

  const references = useQuery("/api/monitoring/references");
  const reports = useQuery("/api/monitoring/reports", { query: { limit: 20 } });
  const stored = useQuery("/api/monitoring/reports/{report_id}", {
    path: { report_id: id },
    enabled: Boolean(id) && sent?.report_id !== id,
  });
  const simulated = useSimulated(chosen, example);
  const now = example ? simulated.data : id ? (sent?.report_id === id ? sent : stored.data) : undefined;
  const error = example ? simulated.error : id && sent?.report_id !== id ? stored.error : "";
  const wanted = example || Boolean(id);
  // What was shown stays until the next is there, so that the page does not jump under the slider.
  const last = useRef<Run | undefined>(undefined);
  last.current = wanted ? (now ?? last.current) : undefined;
  const run = error ? undefined : last.current;
  const busy = wanted && !now && !error;
  const since = useSince(busy);

  // Each comparison is stored: the list has one more.
  const made = example ? simulated.data?.report_id : sent?.report_id;
  useEffect(() => {
    if (made) reports.refresh();
  }, [made]);
  // On a small screen the result is far below the form that was sent.
  useEffect(() => {
    if (sent) document.querySelector(".result")?.scrollIntoView({ behavior: "smooth" });
  }, [sent]);
  const turn = (to_own: boolean) => {
    choose(to_own);
    route(here({ way: to_own ? "own" : null }), true);
  };

  return (
    <>
      <Heading title="Tables" text="Which columns of a table have drifted, by how much, and why." />
      <div class="tables">
        <Card
          title="Compare"
          aside={
            <span class="ways" role="group" aria-label="What to compare">
              <button type="button" class="button small" aria-pressed={!own} onClick={() => turn(false)}>
                The shipped example
              </button>
              <button type="button" class="button small" aria-pressed={own} onClick={() => turn(true)}>
                Your own table
              </button>
            </span>
          }
        >
          {/* Both stay, so that no setting is lost by a look at the other. */}
          <div hidden={own}>
            <Example chosen={chosen} started={example} run={(next) => route(to("/tables", { ...next }), true)} />
          </div>
          <div hidden={!own}>
            <Own
              references={references.data?.references ?? []}
              compared={(done) => {
                keep(done);
                route(to("/tables", { report: done.report_id, way: "own" }));
              }}
              stored={references.refresh}
            />
          </div>
        </Card>
        <div class="stack">
          <Failed error={reports.error} retry={reports.refresh} />
          {reports.data && <Reports reports={reports.data.reports} shown={run?.report_id} />}
        </div>
      </div>
      <Failed error={error} retry={example ? simulated.refresh : stored.refresh} />
      {busy && since !== null && (
        <p class="muted">
          <span role="status">{example ? "Comparing…" : "Loading the report…"}</span> <Elapsed since={since} />
        </p>
      )}
      {run && <Result run={run} busy={busy} />}
      {!wanted && <Teach />}
      <Failed error={references.error} retry={references.refresh} />
      {references.data && <References references={references.data.references} changed={references.refresh} />}
    </>
  );
}

/** Since when something goes on; null while it does not. */
function useSince(busy: boolean): number | null {
  const [since, set] = useState<number | null>(null);
  useEffect(() => set(busy ? Date.now() : null), [busy]);
  return since;
}
