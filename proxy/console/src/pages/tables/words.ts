/** What a column's short names are called, in words for people. */

import type { Schemas } from "../../api/client";
import { figure, fixed, NONE } from "../../format";

export type Row = Schemas["ColumnResult"];

const KINDS: Readonly<Record<string, string>> = { id: "identifier", text: "free text", unknown: "not read" };
const TESTS: Readonly<Record<string, string>> = {
  ks: "Kolmogorov-Smirnov",
  ks_permutation: "Kolmogorov-Smirnov, by permutation",
  ks_sketched: "Kolmogorov-Smirnov, from quantiles",
  chi2: "chi-square",
  chi2_monte_carlo: "chi-square, by Monte Carlo",
  fisher: "Fisher's exact test",
  constant: "none needed",
};
const EFFECTS: Readonly<Record<string, string>> = {
  ks_d: "Kolmogorov-Smirnov D",
  cramers_v: "Cramér's V",
  cramers_v_missing: "Cramér's V of the missing values",
};

export function kind(row: Row): string {
  return KINDS[row.kind] ?? row.kind;
}

export function test(row: Row): string {
  if (row.test === null) return NONE;
  const name = TESTS[row.test] ?? row.test;
  return row.effect_name === "cramers_v_missing" ? `${name}, missing or not` : name;
}

export function effectName(row: Row): string {
  return EFFECTS[row.effect_name] ?? row.effect_name;
}

/** Two digits; three where two would round it up to a threshold. */
export function effect(value: number): string {
  return fixed(value, value >= 0.1 || value === 0 ? 2 : 3);
}

export type Standing = "drifted" | "steady" | "untested";

export function standing(row: Row): Standing {
  return row.drifted ? "drifted" : row.p_value === null ? "untested" : "steady";
}

/** Why the column counts as drifted or not, in a sentence. */
export function verdict(row: Row, summary: Schemas["Summary"]): string {
  if (row.p_value === null || row.p_adjusted === null || row.effect === null) {
    return row.note ? `Not tested: ${row.note}.` : "Not tested.";
  }
  if (row.test === "constant") return "The same single value on both sides.";
  const clear = row.p_adjusted <= summary.p_threshold;
  const large = row.effect >= summary.effect_threshold;
  const found = `an effect of ${effect(row.effect)} where ${figure(summary.effect_threshold)} counts`;
  if (row.drifted) return `More than chance explains, and large enough to matter: ${found}.`;
  if (clear && !large) return `More than chance explains, but too small to matter: ${found}.`;
  if (large) return `It may be chance: ${found}, but too few rows to tell.`;
  return `No more than chance explains: ${found}.`;
}
