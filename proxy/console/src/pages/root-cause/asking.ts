/** Asking for a root cause, and waiting for it. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { type Answer, post } from "../../api/client";

export type Answered = Answer<"/drift/agentic-rca", "post">;

export interface Choices {
  useModel: boolean;
  model: string;
  /** Seconds; "" is the server's own limit. */
  timeout: string;
  /** Local times as datetime-local gives them. */
  from: string;
  to: string;
}

export const CHOICES: Choices = { useModel: true, model: "", timeout: "", from: "", to: "" };

export interface Asking {
  /** Milliseconds since the epoch; null when nothing is asked. */
  since: number | null;
  error: string;
  ask: (monitor: string | undefined, choices: Choices, fresh: boolean) => Promise<Answered | null>;
  /** Stop waiting; the run goes on at the server. */
  leave: () => void;
}

export function useAsking(): Asking {
  const [since, start] = useState<number | null>(null);
  const [error, fail] = useState("");
  const leaving = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => leaving.current?.abort(), []);

  const ask = useCallback(async (monitor: string | undefined, choices: Choices, fresh: boolean) => {
    leaving.current?.abort();
    const mine = (leaving.current = new AbortController());
    start(Date.now());
    fail("");
    try {
      return await post("/drift/agentic-rca", { body: body(monitor, choices, fresh), signal: mine.signal });
    } catch (problem) {
      if (!mine.signal.aborted) fail(problem instanceof Error ? problem.message : String(problem));
      return null;
    } finally {
      if (leaving.current === mine) start(null);
    }
  }, []);
  const leave = useCallback(() => leaving.current?.abort(), []);
  return { since, error, ask, leave };
}

function body(monitor: string | undefined, choices: Choices, fresh: boolean) {
  const { useModel, model, timeout, from, to } = choices;
  const earlier = Boolean(from || to);
  return {
    monitor: monitor ?? null,
    use_model: useModel,
    // A stored run on an earlier look stays right: nothing can come to that look any more.
    fresh: fresh && !earlier,
    model: (useModel && model.trim()) || null,
    timeout: useModel && timeout ? Number(timeout) : null,
    from: from ? new Date(from).toISOString() : null,
    to: to ? new Date(to).toISOString() : null,
  };
}
