/** What a witness value and the nearness of two prompts mean, in a word or two. */

import { percent } from "../../format";

export interface Weight {
  word: string;
  /** Its part of the whole drift; "" where there is none to speak of. */
  part: string;
  /** 0 to 1: how long its bar is. */
  length: number;
}

/**
 * `witness` phi of an answer adds phi / window to the MMD^2, which is `total`. Both sides add to it, so an answer that
 * carries its even part has about half the total.
 */
export function weight(witness: number, largest: number, total: number | null, window: number): Weight {
  const length = largest > 0 ? Math.max(0, witness / largest) : 0;
  if (witness <= 0) return { word: "Like the baseline's answers", part: "", length };
  if (total === null || total <= 0 || window < 1) return { word: "A little unlike the baseline", part: "", length };
  const part = `${percent(witness / window / total, 1)} of it`;
  const ratio = witness / total;
  if (ratio >= 1) return { word: "Carries much of the drift", part, length };
  return { word: ratio >= 0.25 ? "Carries its part of the drift" : "Carries little of the drift", part, length };
}

/** Of the cosine of two prompts. */
export function nearness(similarity: number): string {
  if (similarity >= 0.95) return "almost the same";
  if (similarity >= 0.75) return "near";
  if (similarity >= 0.5) return "related";
  return "far apart";
}
