/** A file on its way: how much has gone, what came of it. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import type { Query } from "../../api/client";
import { upload } from "./upload";

export interface Progress {
  sent: number;
  all: number;
  /** Milliseconds since the epoch. */
  since: number;
}

export function useSending() {
  const [progress, tell] = useState<Progress | null>(null);
  const [error, fail] = useState("");
  const leaving = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => leaving.current?.abort(), []);

  /** The answer; null where it was refused or cancelled. */
  const start = useCallback(async (method: "POST" | "PUT", path: string, form: FormData, query?: Query): Promise<unknown> => {
    leaving.current?.abort();
    const mine = (leaving.current = new AbortController());
    const since = Date.now();
    fail("");
    tell({ sent: 0, all: 0, since });
    try {
      const progress = (sent: number, all: number) => tell({ sent, all, since });
      return await upload(method, path, form, { query, progress, signal: mine.signal });
    } catch (problem) {
      if (!mine.signal.aborted) fail(problem instanceof Error ? problem.message : String(problem));
      return null;
    } finally {
      if (leaving.current === mine) tell(null);
    }
  }, []);
  const cancel = useCallback(() => leaving.current?.abort(), []);
  const forget = useCallback(() => fail(""), []);
  return { progress, error, start, cancel, forget };
}
