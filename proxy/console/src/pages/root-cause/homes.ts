/** Where else in the console a fact can be looked into. */

import { to } from "../../api/address";
import type { Schemas } from "../../api/client";

export interface Home {
  href: string;
  label: string;
}

/** Reports of tables that facts may speak of, the latest first. */
export type Reports = ReadonlyArray<Schemas["ReportView"]>;

const COMPARED: Readonly<Record<string, readonly [anchor: string, label: string]>> = {
  feature: ["features", "Features in Compare"],
  topic: ["topics", "Topics in Compare"],
  pair: ["pairs", "Pairs in Compare"],
};
const OVERVIEW = new Set(["severity", "detector", "verdict", "since", "mark", "canary"]);

export function home(fact: Schemas["Fact"], monitor: string, reports: Reports): Home | null {
  const compared = COMPARED[fact.kind];
  if (compared) return { href: `${to("/compare", { monitor })}#${compared[0]}`, label: compared[1] };
  if (OVERVIEW.has(fact.kind)) return { href: to("/", { monitor }), label: "Overview" };
  if (fact.kind === "table") return { href: to("/tables", { report: reportOf(fact.text, reports) }), label: "Tables" };
  return null;
}

/** The facts' own homes, each once; all facts of a report have their scores on the overview. */
export function homes(facts: readonly Schemas["Fact"][], monitor: string, reports: Reports): Home[] {
  const own = facts.filter((fact) => !OVERVIEW.has(fact.kind));
  const found = own.map((fact) => home(fact, monitor, reports)).filter((one) => one !== null);
  return [...new Map(found.map((one) => [one.href, one])).values()];
}

// A fact of a table names its dataset, not its report: the latest of that dataset is the nearest there is.
function reportOf(text: string, reports: Reports): string | undefined {
  return reports.find(({ dataset }) => dataset && [dataset, `“${dataset}”`].some((name) => text.includes(`of table ${name} has`)))?.id;
}
