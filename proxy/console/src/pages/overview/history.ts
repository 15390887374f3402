/** The whole history of a monitor, read page by page and kept up with. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { get, Refused, type Schemas } from "../../api/client";
import { useEvents } from "../../api/live";

export type Point = Schemas["HistoryPoint"];
export type Mark = Schemas["Annotation"];

export interface History {
  /** The oldest first; each with a time. */
  points: readonly Point[];
  marks: readonly Mark[];
  error: string;
  loading: boolean;
}

const PAGE = 1000;
const NEWEST = 50;
const SOON_MS = 500;

async function readAll(monitor: string, from: string, signal: AbortSignal): Promise<Pick<History, "points" | "marks">> {
  const points: Point[] = [];
  let marks: readonly Mark[] = [];
  let cursor: number | null = null;
  do {
    const page: Schemas["HistoryView"] = await get("/drift/history", { query: { monitor, from, limit: PAGE, cursor }, signal });
    points.push(...page.history);
    if (!marks.length) marks = page.annotations;
    cursor = page.next_cursor;
  } while (cursor !== null);
  return { points: points.filter((point) => point.timestamp).reverse(), marks };
}

/** Reports of a monitor of the last `days`; 0 reads nothing. */
export function useHistory(monitor: string, days: number): History {
  const [state, set] = useState<History>({ points: [], marks: [], error: "", loading: true });
  const from = useRef("");
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  useEffect(() => {
    const leaving = new AbortController();
    from.current = new Date(Date.now() - days * 86_400_000).toISOString();
    set((before) => ({ ...before, loading: true }));
    readAll(monitor, from.current, leaving.signal).then(
      (read) => set({ ...read, error: "", loading: false }),
      (error: unknown) => {
        if (leaving.signal.aborted) return;
        set({ points: [], marks: [], loading: false, error: error instanceof Refused ? error.message : String(error) });
      },
    );
    return () => {
      leaving.abort();
      clearTimeout(timer.current);
    };
  }, [monitor, days]);

  /** Only what is new: the history may hold ten thousand points. */
  const follow = useCallback(async () => {
    const page = await get("/drift/history", { query: { monitor, from: from.current, limit: NEWEST } }).catch(() => null);
    if (!page) return;
    set((before) => {
      const last = before.points.at(-1)?.timestamp ?? "";
      const newer = page.history.filter((point) => point.timestamp && point.timestamp > last).reverse();
      return { ...before, points: [...before.points, ...newer], marks: page.annotations };
    });
  }, [monitor]);

  useEvents(["score", "baseline"], ({ data }) => {
    if (data.monitor !== monitor) return;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void follow(), SOON_MS);
  });
  return state;
}
