/** What the API's names mean, in words. */

import type { Schemas } from "../../api/client";

export const VERDICTS: Record<Schemas["Verdict"], string> = {
  no_change: "Nothing has changed",
  prompts_changed: "The users have changed",
  model_changed: "The model has changed",
  both: "Users and model have changed",
  insufficient_overlap: "Cannot tell: the prompts have too little in common",
  insufficient_data: "Cannot tell yet",
};

const DETECTORS: Record<string, string> = {
  mmd: "what answers say",
  residual_mmd: "how like prompts are answered",
  alignment: "how answers fit their prompts",
  behaviour: "behaviour",
};

/** "residual_mmd_50" -> its meaning; the name itself where it is a new one. */
export function detector(name: string): string {
  return DETECTORS[name.replace(/_\d+$/, "")] ?? name;
}

export const MARKS: Record<string, string> = { baseline: "B", digest: "W", model: "M" };

/** What the letters on the history stand for. */
export const MARK_WORDS: Record<string, string> = {
  baseline: "baseline",
  digest: "weights of the model",
  model: "name of the model",
};
