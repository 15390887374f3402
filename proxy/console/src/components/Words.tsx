/** The words in which two texts differ. */

import "../styles/compare.css";

import { diffWordsWithSpace } from "diff";
import { useMemo } from "preact/hooks";

export interface Piece {
  text: string;
  differs: boolean;
}

export interface Difference {
  before: readonly Piece[];
  after: readonly Piece[];
  /** They have too little in common: marks would say nothing. */
  apart: boolean;
  same: boolean;
}

/** Of the letters of both texts, those in words that stay; below this the marks are confetti. */
const LEAST_SHARED = 0.35;
/** Unless one text is as good as contained in the other: so much of the shorter one's letters. */
const CONTAINED = 0.8;
/** Longer than this a comparison is given up, so that the page stays quick. */
const LONGEST_MS = 150;

/** Both texts in pieces, so that what is only in one of them can be marked. */
export function difference(before: string, after: string): Difference {
  const a = before.replaceAll("\r\n", "\n");
  const b = after.replaceAll("\r\n", "\n");
  const whole = { before: [{ text: a, differs: false }], after: [{ text: b, differs: false }] };
  if (a === b) return { ...whole, apart: false, same: true };
  const changes = diffWordsWithSpace(a, b, { timeout: LONGEST_MS });
  if (!changes) return { ...whole, apart: true, same: false };
  const shared = letters(changes.filter((one) => !one.added && !one.removed).map((one) => one.value));
  const lengths = [letters([a]), letters([b])] as const;
  const all = lengths[0] + lengths[1];
  const apart = 2 * shared < LEAST_SHARED * all && shared < CONTAINED * Math.min(...lengths);
  if (apart || !shared) return { ...whole, apart: true, same: false };
  return {
    before: phrases(changes.filter((one) => !one.added).map((one) => ({ text: one.value, differs: one.removed }))),
    after: phrases(changes.filter((one) => !one.removed).map((one) => ({ text: one.value, differs: one.added }))),
    apart: false,
    same: false,
  };
}

export function useDifference(before: string, after: string): Difference {
  return useMemo(() => difference(before, after), [before, after]);
}

/** A text in pieces; what differs is struck through before, underlined after, with a ground of its own. */
export function Words(props: { pieces: readonly Piece[]; side: "before" | "after"; marked: boolean }) {
  const Mark = props.side === "before" ? "del" : "ins";
  if (!props.marked) return <>{props.pieces.map((piece) => piece.text).join("")}</>;
  return <>{props.pieces.map((piece, i) => (piece.differs ? <Mark key={i}>{piece.text}</Mark> : piece.text))}</>;
}

function letters(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + (text.match(/[\p{L}\p{N}]/gu)?.length ?? 0), 0);
}

/** Neighbours joined, and spaces between two marks marked too: one mark per phrase. */
function phrases(pieces: readonly Piece[]): Piece[] {
  const joined: Piece[] = [];
  pieces.forEach((piece, i) => {
    const between = !piece.text.trim() && pieces[i - 1]?.differs === true && pieces[i + 1]?.differs === true;
    const differs = piece.differs || between;
    const last = joined.at(-1);
    if (last && last.differs === differs) last.text += piece.text;
    else joined.push({ text: piece.text, differs });
  });
  return joined;
}
