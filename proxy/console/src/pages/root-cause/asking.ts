/** Asking for a root cause, and waiting for it. */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

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
  /** Milliseconds since the epoch; null when nothing is asked about the monitor that is looked at. */
  since: number | null;
  error: string;
  /** null where it failed, or where another monitor is looked at by then. */
  ask: (choices: Choices, fresh: boolean) => Promise<Answered | null>;
  /** Stop waiting; the run goes on at the server. */
  leave: () => void;
}

/** One question at a time; what became of it is told while its monitor is looked at. */
export function useAsking(monitor: string | undefined): Asking {
  const [asked, start] = useState<{ monitor: string; since: number } | null>(null);
  const [error, fail] = useState("");
  const looked = useRef(monitor);
  looked.current = monitor;
  useLayoutEffect(() => fail(""), [monitor]);
  const leaving = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => leaving.current?.abort(), []);

  const ask = useCallback(async (choices: Choices, fresh: boolean) => {
    const about = looked.current;
    if (!about) return null;
    leaving.current?.abort();
    const mine = (leaving.current = new AbortController());
    start({ monitor: about, since: Date.now() });
    fail("");
    try {
      const answer = await post("/drift/agentic-rca", { body: body(about, choices, fresh), signal: mine.signal });
      return looked.current === about ? answer : null;
    } catch (problem) {
      if (!mine.signal.aborted && looked.current === about) fail(problem instanceof Error ? problem.message : String(problem));
      return null;
    } finally {
      if (leaving.current === mine) start(null);
    }
  }, []);
  const leave = useCallback(() => leaving.current?.abort(), []);
  return { since: asked?.monitor === monitor && asked ? asked.since : null, error, ask, leave };
}

function body(monitor: string, choices: Choices, fresh: boolean) {
  const { useModel, model, timeout, from, to } = choices;
  const earlier = Boolean(from || to);
  return {
    monitor,
    use_model: useModel,
    // A stored run on an earlier look stays right: nothing can come to that look any more.
    fresh: fresh && !earlier,
    model: (useModel && model.trim()) || null,
    timeout: useModel && timeout ? Number(timeout) : null,
    from: from ? new Date(from).toISOString() : null,
    to: to ? new Date(to).toISOString() : null,
  };
}
