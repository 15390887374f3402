/** Which run's trace is shown. */

import type { Schemas } from "../../api/client";
import type { LiveRun, Step } from "./live";

export interface Traced {
  /** "" until it is known. */
  id: string;
  monitor: string;
  steps: readonly Step[];
  state: LiveRun["state"];
  /** Milliseconds since the epoch, while it runs. */
  began?: number;
}

interface Known {
  monitor: string;
  live: LiveRun | null;
  /** The report that is shown. */
  view: Schemas["AgenticView"] | undefined;
  /** Milliseconds since the epoch: since when an answer is waited for, and since when this report is looked at. */
  since: number | null;
  opened: number;
  /** Whether the live run's report is the next that is shown. */
  awaited: boolean;
}

/** The live run while it runs and until its report is there; then the report's own, which has every step. */
export function traceOf({ monitor, live, view, since, opened, awaited }: Known): Traced | null {
  if (live?.state === "running") return live;
  const ended = live?.ended ?? 0;
  if (since !== null && ended < since) return { id: "", monitor, steps: [], state: "running", began: since };
  if (live && live.state !== "done" && ended >= opened) return live;
  if (live?.state === "done" && live.id !== view?.id && (awaited || since !== null)) return live;
  return view ? { id: view.id ?? "", monitor: view.monitor, steps: view.agent_collaboration_log, state: "done" } : null;
}
