/** Each part of Driftium as the set-up shows it: how it is, and what mends it. */

import type { Schemas } from "../../api/client";
import { count, percent } from "../../format";

export interface Part {
  name: string;
  /** What it is for, in a few words. */
  role: string;
  state: "good" | "waiting" | "bad";
  message: string;
  /** A command to paste. */
  mend?: string;
}

const RUNS = new Set(["ready", "standing by"]);
const WAITING = new Set(["starting", "loading", "restarting"]);

export function problems(health: Schemas["Health"]): Part[] {
  const { upstream, worker, tap, embedder, vector_store: store, scheduler } = health;
  const stage = upstream.embedded?.stage;
  const starting = upstream.status === "down" && stage !== undefined && !upstream.embedded?.error;
  const loading = WAITING.has(worker.status);
  // A server may keep its models to itself (it asks for a key, say): only what the server's health says is wrong is.
  const noModel = upstream.status === "up" && upstream.message !== undefined;
  const downloading = upstream.embedded?.fraction !== undefined ? ` ${percent(upstream.embedded.fraction)} downloaded.` : "";
  return [
    {
      name: "Model server",
      role: "answers the prompts",
      state: starting ? "waiting" : upstream.status === "up" && !noModel ? "good" : "bad",
      message: upstream.message
        ? upstream.message + downloading
        : `${upstream.url} answers; ${upstream.models?.length ? `models: ${upstream.models.join(", ")}` : "it does not tell its models"}.`,
      mend: upstream.mend,
    },
    {
      name: "Worker",
      role: "embeds and scores the answers",
      state: worker.status === "ready" ? "good" : loading ? "waiting" : "bad",
      message: worker.message ?? (loading ? "It is starting; exchanges wait in the log meanwhile." : "It runs."),
      mend: worker.mend,
    },
    {
      name: "Embedding model",
      role: "turns texts into vectors",
      state: embedder.status === "ready" ? "good" : loading ? "waiting" : "bad",
      message: embedder.message ?? (embedder.encoder ? `${embedder.encoder} is loaded.` : "It is being loaded."),
      mend: embedder.mend,
    },
    {
      name: "Vector store",
      role: "keeps the vectors",
      state: store.status === "up" ? "good" : loading ? "waiting" : "bad",
      message: store.message ?? (store.where ? `Qdrant: ${store.where}` : "It opens with the worker."),
      mend: store.mend,
    },
    {
      name: "Log",
      role: "keeps what has passed until it is scored",
      state: tap.status === "ok" ? "good" : "bad",
      message: tap.message ?? `${count(tap.logged)} exchanges logged, ${count(tap.lag_exchanges)} waiting, ${count(tap.dropped)} dropped.`,
      mend: tap.mend,
    },
    ...(scheduler
      ? [
          {
            name: "Scheduler",
            role: "notifies, collects logs, asks canaries",
            state: RUNS.has(scheduler.status) ? ("good" as const) : WAITING.has(scheduler.status) ? ("waiting" as const) : ("bad" as const),
            message: scheduler.message ?? "It runs.",
            mend: scheduler.mend,
          },
        ]
      : []),
  ];
}
