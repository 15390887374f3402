/** What behaviour features are called, and in which unit. */

import { fixed, percent, spaced } from "../../format";
import type { Schemas } from "../../api/client";

const NAMES: Record<string, string> = {
  prompt_characters: "Prompt length (characters)",
  response_characters: "Answer length (characters)",
  input_tokens: "Tokens in",
  output_tokens: "Tokens out",
  tokens_per_second: "Speed (tokens per second)",
  first_chunk_seconds: "Time to first chunk (seconds)",
  duration_seconds: "Duration (seconds)",
  code_share: "Share of code, 0 to 1",
  list_share: "Share of list lines, 0 to 1",
  markdown_share: "Share of markdown lines, 0 to 1",
  repetition: "Repetition, 0 to 1",
  refusal: "Refusals",
  json: "Answers in JSON",
  json_valid: "Valid JSON where asked for",
  tool_call: "Tool calls",
  truncated: "Cut off at the token limit",
  finish_reason: "Finish reason",
  language: "Language of answers",
  prompt_language: "Language of prompts",
};

const EFFECTS: Record<string, string> = {
  ks_d: "Kolmogorov–Smirnov D",
  cramers_v: "Cramér's V",
  cramers_v_missing: "Cramér's V of missing",
};

export function featureName(name: string): string {
  return NAMES[name] ?? spaced(name);
}

export function effect(feature: Schemas["ColumnResult"]): string {
  if (feature.effect === null) return "";
  return `${EFFECTS[feature.effect_name] ?? spaced(feature.effect_name)} ${fixed(feature.effect, 2)}`;
}

export function missing(feature: Schemas["ColumnResult"]): string {
  const { reference_missing: before, current_missing: now } = feature;
  if ((!before && !now) || feature.direction.includes("missing")) return "";
  return `unknown for ${percent(before, 1)} of the baseline, ${percent(now, 1)} now`;
}

/** "mean 1 -> 2" as a sentence's end. */
export function direction(words: string): string {
  return words.replaceAll(" -> ", " → ");
}
