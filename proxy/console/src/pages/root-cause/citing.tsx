/** Evidence ids as links to the facts that they name. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Schemas } from "../../api/client";
import { homes, type Reports } from "./homes";

export interface Cited {
  monitor: string;
  facts: ReadonlyMap<string, Schemas["Fact"]>;
  reports: Reports;
}

export const Citing = createContext<Cited>({ monitor: "", facts: new Map(), reports: [] });

export function anchor(id: string): string {
  return `fact-${id}`;
}

/** Scroll to a fact and give it the focus, which marks it. */
export function showFact(id: string): void {
  const fact = document.getElementById(anchor(id));
  fact?.focus({ preventScroll: true });
  fact?.scrollIntoView({ block: "center" });
}

export function Cites(props: { ids: readonly string[]; elsewhere?: boolean }) {
  const { monitor, facts, reports } = useContext(Citing);
  if (!props.ids.length) return null;
  const known = props.ids.map((id) => facts.get(id)).filter((fact) => fact !== undefined);
  return (
    <span class="cites">
      <span class="sr">Evidence: </span>
      {props.ids.map((id) =>
        facts.has(id) ? (
          <a
            key={id}
            href={`#${encodeURIComponent(anchor(id))}`}
            title={facts.get(id)!.text}
            // After the browser has followed the link: it would take the focus away again.
            onClick={() => setTimeout(() => showFact(id))}
          >
            {id}
          </a>
        ) : (
          <span key={id}>{id}</span>
        ),
      )}
      {props.elsewhere &&
        homes(known, monitor, reports).map(({ href, label }) => (
          <a key={href} class="elsewhere" href={href}>
            {label} <span aria-hidden="true">→</span>
          </a>
        ))}
    </span>
  );
}
