/** Runs as they go on, whoever started them: told by /events, step by step. */

import { useRef, useState } from "preact/hooks";

import type { Schemas } from "../../api/client";
import { useEvents } from "../../api/live";

export type Step = Schemas["Step"];

export interface LiveRun {
  id: string;
  monitor: string;
  /** Milliseconds since the epoch: when its first step came. */
  began: number;
  steps: readonly Step[];
  state: "running" | "done" | "failed";
}

/** The last run of the monitor that was heard of while the page is open; `ended` is called with its id. */
export function useLiveRun(monitor: string | undefined, ended: (id: string) => void): LiveRun | null {
  const [runs, set] = useState<ReadonlyMap<string, LiveRun>>(new Map());
  const tell = useRef(ended);
  tell.current = ended;
  useEvents(["rca"], ({ data }) => {
    const id = String(data.run_id);
    set((before) => new Map(before).set(id, next(before.get(id), id, data)));
    if (data.done === true && data.monitor === monitor) tell.current(id);
  });
  // Runs of other monitors are kept: one may look at them next.
  const mine = [...runs.values()].filter((run) => run.monitor === monitor);
  return mine.findLast((run) => run.state === "running") ?? mine.at(-1) ?? null;
}

function next(before: LiveRun | undefined, id: string, data: Record<string, unknown>): LiveRun {
  const run = before ?? { id, monitor: String(data.monitor), began: Date.now(), steps: [], state: "running" as const };
  if (data.done === true) return { ...run, state: data.cause ? "done" : "failed" };
  const step = data as unknown as Step;
  // After a lost connection events may come twice.
  return run.steps.some((one) => one.number === step.number) ? run : { ...run, steps: [...run.steps, step] };
}
