/** Runs as they go on, whoever started them: told by /events, step by step. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { Schemas } from "../../api/client";
import { useEvents, useLink } from "../../api/live";

export type Step = Schemas["Step"];

export interface LiveRun {
  id: string;
  monitor: string;
  /** Milliseconds since the epoch: when its first step came. */
  began: number;
  /** Those that were heard of: fewer than there are where the page was opened in the middle of the run. */
  steps: readonly Step[];
  /** "lost": the connection broke before its end was told. */
  state: "running" | "done" | "failed" | "lost";
  /** Milliseconds since the epoch: when it was known not to be running. */
  ended?: number;
}

/** The newest run of the monitor that was heard of while the page is open; `ended` is called with its id. */
export function useLiveRun(monitor: string | undefined, ended: (id: string) => void): LiveRun | null {
  const [runs, set] = useState<ReadonlyMap<string, LiveRun>>(new Map());
  const tell = useRef(ended);
  tell.current = ended;
  useEvents(["rca"], ({ data }) => {
    const id = String(data.run_id);
    set((before) => new Map(before).set(id, next(before.get(id), id, data)));
    if (data.done === true && data.monitor === monitor) tell.current(id);
  });
  const link = useLink();
  useEffect(() => {
    // A server that was killed tells no end. Where the run does go on, its next event says so.
    if (link === "lost") set((before) => new Map([...before].map(([id, run]) => [id, lose(run)])));
  }, [link]);
  // Runs of other monitors are kept: one may look at them next.
  return [...runs.values()].findLast((run) => run.monitor === monitor) ?? null;
}

function lose(run: LiveRun): LiveRun {
  return run.state === "running" ? { ...run, state: "lost", ended: Date.now() } : run;
}

function next(before: LiveRun | undefined, id: string, data: Record<string, unknown>): LiveRun {
  // After a lost connection events may come twice.
  if (before?.state === "done" || before?.state === "failed") return before;
  const run = before ?? { id, monitor: String(data.monitor), began: Date.now(), steps: [], state: "running" };
  if (data.done === true) return { ...run, state: data.cause ? "done" : "failed", ended: Date.now() };
  const step = data as unknown as Step;
  const steps = run.steps.some((one) => one.number === step.number) ? run.steps : [...run.steps, step];
  return { ...run, steps, state: "running", ended: undefined };
}
