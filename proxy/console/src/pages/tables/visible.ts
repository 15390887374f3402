/** Words of tables, users and models made safe to show: nothing hidden in them takes effect. */

/** Control characters, bidirectional overrides and halves of characters; not the joiners of emoji and Persian. */
const HIDDEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The text with its hidden characters spelt out: ⟨U+202E⟩. "" reads (empty). */
export function visible(text: string): string {
  const shown = text.replace(HIDDEN, (c) => `⟨U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}⟩`);
  return shown || "(empty)";
}

/** A sentence of the server's, with real arrows; no line breaks within "0.1 % → 2.3 %". */
export function arrows(text: string): string {
  return visible(text).replaceAll(" %", "\u00a0%").replaceAll(" -> ", "\u00a0→\u00a0");
}
