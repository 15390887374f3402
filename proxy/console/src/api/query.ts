/** Read a route, and read it again when something happened. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { type Answer, get, type Options, type Query, Refused, url } from "./client";
import { type Kind, useEvents } from "./live";
import type { paths } from "./schema";
import { isTokenWanted } from "./token";

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
/** A server that hangs is told of: a comparison of tables, the slowest that is read here, takes seconds. */
const LONGEST_MS = 60_000;
const SLOW_MS = 15_000;

type Readable = { [P in keyof paths]: paths[P] extends { get: object } ? P : never }[keyof paths];

interface State<T> {
  address: string;
  data?: T;
  error: string;
  loading: boolean;
}

export function useQuery<P extends Readable>(path: P, watch: Watch = {}): Result<Answer<P>> {
  const { query, path: names, on = [], every, enabled = true } = watch;
  const address = url(path, { query, path: names });
  const [state, set] = useState<State<Answer<P>>>({ address: "", error: "", loading: true });
  const [turn, setTurn] = useState(0);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const began = useRef(0);
  const busy = useRef(false);
  const again = useRef(false);

  useEffect(() => {
    if (!enabled) return;
    const leaving = new AbortController();
    const slow = setTimeout(() => {
      const error = "Driftium has not answered for 15 seconds; what is shown may be old.";
      set((before) => (before.data ? { ...before, error } : before));
    }, SLOW_MS);
    let longest: ReturnType<typeof setTimeout>;
    const giveUp = () => (isTokenWanted() ? wait() : leaving.abort("long"));
    const wait = () => {
      longest = setTimeout(giveUp, LONGEST_MS);
    };
    wait();
    began.current = Date.now();
    busy.current = true;
    again.current = false;
    set((before) => (before.address === address ? { ...before, loading: true } : { address, error: "", loading: true }));
    get(path, { query, path: names, signal: leaving.signal })
      .then(
        (data) => set({ address, data, error: "", loading: false }),
        (error: unknown) => {
          if (leaving.signal.aborted && leaving.signal.reason !== "long") return;
          const hung = "Driftium did not answer within a minute. Is it still running?";
          const words = leaving.signal.aborted ? hung : error instanceof Refused ? error.message : String(error);
          set((before) => ({ ...before, error: words, loading: false }));
        },
      )
      .finally(() => {
        clearTimeout(slow);
        clearTimeout(longest);
        if (leaving.signal.aborted && leaving.signal.reason !== "long") return;
        busy.current = false;
        if (again.current) setTurn((n) => n + 1);
      });
    return () => {
      clearTimeout(slow);
      clearTimeout(longest);
      leaving.abort();
    };
    // The address holds query and names.
  }, [address, enabled, turn]);

  // A request under way is not cut off for a newer one, or a slow route would never be read: the newer one follows it.
  const refresh = useCallback(() => {
    if (busy.current) again.current = true;
    else setTurn((n) => n + 1);
  }, []);
  // Many events may come at once: the first is followed at once, the others together.
  const soon = useCallback(() => {
    clearTimeout(timer.current);
    timer.current = setTimeout(refresh, Math.max(0, began.current + AT_MOST_EVERY_MS - Date.now()));
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
