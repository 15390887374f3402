/** Read a route, and read it again when something happened. */

import type { paths } from "./schema";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { type Answer, get, type Options, type Query, Refused, url } from "./client";
import { type Kind, useEvents } from "./live";

export interface Result<T> {
  /** The last answer; stays while a newer one is fetched. */
  data: T | undefined;
  /** Why the last request failed; "" when it did not. */
  error: string;
  loading: boolean;
  refresh: () => void;
}

export interface Watch {
  query?: Query;
  path?: Options["path"];
  /** Events after which to read again. */
  on?: readonly Kind[];
  /** Also after so many seconds, for what no event tells. */
  every?: number;
  /** false: do not read yet. */
  enabled?: boolean;
}

const AT_MOST_EVERY_MS = 500;

type Readable = { [P in keyof paths]: paths[P] extends { get: object } ? P : never }[keyof paths];

export function useQuery<P extends Readable>(path: P, watch: Watch = {}): Result<Answer<P>> {
  const { query, path: names, on = [], every, enabled = true } = watch;
  const address = url(path, { query, path: names });
  const [state, set] = useState<{ address: string; data?: Answer<P>; error: string; loading: boolean }>({
    address: "",
    error: "",
    loading: true,
  });
  const [turn, setTurn] = useState(0);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const read = useRef(0);

  useEffect(() => {
    if (!enabled) return;
    const leaving = new AbortController();
    read.current = Date.now();
    set((before) => (before.address === address ? { ...before, loading: true } : { address, error: "", loading: true }));
    get(path, { query, path: names, signal: leaving.signal }).then(
      (data) => set({ address, data, error: "", loading: false }),
      (error: unknown) => {
        if (leaving.signal.aborted) return;
        const words = error instanceof Refused ? error.message : String(error);
        set((before) => ({ ...before, error: words, loading: false }));
      },
    );
    return () => leaving.abort();
    // The address holds query and names.
  }, [address, enabled, turn]);

  const refresh = useCallback(() => setTurn((n) => n + 1), []);
  // Many events may come at once: the first is followed at once, the others together.
  const soon = useCallback(() => {
    clearTimeout(timer.current);
    timer.current = setTimeout(refresh, Math.max(0, read.current + AT_MOST_EVERY_MS - Date.now()));
  }, [refresh]);
  useEvents(on, soon);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (!every || !enabled) return;
    const ticking = setInterval(refresh, every * 1000);
    return () => clearInterval(ticking);
  }, [every, enabled, refresh]);

  return { data: state.address === address ? state.data : undefined, error: state.error, loading: state.loading, refresh };
}
