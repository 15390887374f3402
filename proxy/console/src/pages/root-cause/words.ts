/** What the records' short names are called, in words for people. */

import type { Schemas } from "../../api/client";
import { spaced } from "../../format";

const CAUSES: Readonly<Record<string, string>> = {
  none: "no drift",
  topic_shift: "topic shift of the users' prompts",
  new_population: "new user population or language",
  model_change: "model swapped or updated",
  instructions_change: "system prompt or template changed",
  verbosity: "verbosity change",
  refusals: "refusals",
  format_break: "format break (JSON, code, markdown)",
  truncation: "truncation or token limit",
  language_switch: "language switch",
  degenerate_output: "degenerate or repeated output",
  provider_trouble: "latency or provider trouble",
  mixed: "mixed: several causes at once",
  unknown: "unknown",
};

export function causeLabel(cause: string): string {
  return CAUSES[cause] ?? spaced(cause);
}

export function capitalised(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** Who changed, and what that means. */
export const CHANGED: Readonly<Record<Schemas["Diagnosis"]["changed"], readonly [who: string, meaning: string]>> = {
  users: ["The users", "They ask differently; the model answers like prompts as before."],
  model: ["The model", "Like prompts are answered in another way."],
  application: ["The application", "The model is asked in another way: system prompt, template or parameters."],
  both: ["The users and the model", "The prompts changed, and so did the answers to like prompts."],
  several: ["Several of them", "No single change explains what moved."],
  operation: ["The operation", "Neither users nor model: the server, or the way to it."],
  nothing: ["Nothing", "What moved is no more than chance explains."],
  unknown: ["Not known", "Something moved, and nothing that is measured says who moved it."],
};

export type Urgency = Schemas["Action"]["urgency"];

/** The most urgent first, each with a word, a sentence and a shape of its own. */
export const URGENCIES: ReadonlyArray<readonly [urgency: Urgency, title: string, meaning: string, shape: string]> = [
  ["now", "Now", "somebody should act at once", "M8 1 15 8 8 15 1 8Z"],
  ["soon", "Soon", "in the next days", "M8 2 15 14H1Z"],
  ["later", "Later", "when there is time", "M3 3h10v10H3Z"],
];

export function bySource(source: string, model: string | null | undefined): string {
  if (source !== "model") return "rules";
  return model ? `the model ${model}` : "the model";
}
