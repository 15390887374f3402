/** The whole history of a monitor, read page by page and kept up with. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { get, Refused, type Schemas } from "../../api/client";
import { useEvents } from "../../api/live";

export type Point = Schemas["HistoryPoint"];
export type Mark = Schemas["Annotation"];

interface Read {
  /** The oldest first; each with a time. */
  points: readonly Point[];
  marks: readonly Mark[];
}

export interface History extends Read {
  error: string;
  loading: boolean;
  retry: () => void;
}

const PAGE = 1000;
const NEWEST = 50;
const SOON_MS = 500;
const DAY_MS = 86_400_000;

/** Everything after `from`; with `known` only until a point that is known, which may be none. */
async function read(monitor: string, from: string, known: string, signal: AbortSignal): Promise<Read> {
  const points: Point[] = [];
  let marks: readonly Mark[] = [];
  let cursor: number | null = null;
  do {
    const query = { monitor, from, limit: known ? NEWEST : PAGE, cursor };
    const page: Schemas["HistoryView"] = await get("/drift/history", { query, signal });
    points.push(...page.history);
    if (!marks.length) marks = page.annotations;
    cursor = known && page.history.some((point) => point.timestamp && point.timestamp <= known) ? null : page.next_cursor;
  } while (cursor !== null);
  return { points: points.filter((point) => point.timestamp && point.timestamp > known).reverse(), marks };
}

/** Reports of a monitor of the last `days`. */
export function useHistory(monitor: string, days: number): History {
  const [state, set] = useState<Omit<History, "retry">>({ points: [], marks: [], error: "", loading: true });
  const [turn, setTurn] = useState(0);
  const known = useRef("");
  const leaving = useRef(new AbortController());
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  const go = useCallback(() => {
    const { signal } = leaving.current;
    const after = known.current;
    const from = new Date(Date.now() - days * DAY_MS).toISOString();
    read(monitor, from, after, signal).then(
      (found) => {
        if (signal.aborted) return;
        known.current = found.points.at(-1)?.timestamp ?? after;
        set((before) => {
          // What is older than the span goes: a page may stay open for weeks.
          const kept = after ? before.points.filter((point) => point.timestamp! >= from) : [];
          const last = kept.at(-1)?.timestamp ?? "";
          const newer = found.points.filter((point) => point.timestamp! > last);
          return { points: [...kept, ...newer], marks: found.marks, error: "", loading: false };
        });
      },
      (error: unknown) => {
        if (signal.aborted) return;
        const words = error instanceof Refused ? error.message : String(error);
        set((before) => ({ ...before, loading: false, error: words }));
      },
    );
  }, [monitor, days]);

  useEffect(() => {
    leaving.current = new AbortController();
    known.current = "";
    set({ points: [], marks: [], error: "", loading: true });
    go();
    return () => {
      leaving.current.abort();
      clearTimeout(timer.current);
    };
  }, [go, turn]);

  useEvents(["score", "baseline"], ({ data }) => {
    if (data.monitor !== monitor) return;
    clearTimeout(timer.current);
    timer.current = setTimeout(go, SOON_MS);
  });
  return { ...state, retry: useCallback(() => setTurn((n) => n + 1), []) };
}
