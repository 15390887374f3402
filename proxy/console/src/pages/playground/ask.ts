/** One prompt to the model, its answer as it comes. */

import { createParser } from "eventsource-parser";

import { Refused, said, send } from "../../api/client";

export interface Question {
  prompt: string;
  system: string;
  /** "": the server's default. */
  model: string;
  /** "": the monitor of the model. */
  monitor: string;
  options: Readonly<Record<string, number>>;
  key: string;
}

export interface Answer {
  state: "waiting" | "answering" | "done" | "cut off" | "stopped" | "failed";
  text: string;
  /** What the model thought before it answered, where it tells. */
  reasoning: string;
  error: string;
  exchange: string | null;
  /** As the model server names itself. */
  model: string;
  finish: string | null;
  /** Seconds until the first word, and until the end. */
  first: number | null;
  total: number | null;
  tokensIn: number | null;
  tokensOut: number | null;
}

export const UNANSWERED: Answer = {
  state: "waiting",
  text: "",
  reasoning: "",
  error: "",
  exchange: null,
  model: "",
  finish: null,
  first: null,
  total: null,
  tokensIn: null,
  tokensOut: null,
};

interface Delta {
  content?: string | null;
  reasoning?: string | null;
  reasoning_content?: string | null;
}

/** What is read of a chunk of a stream, or of a whole completion. */
interface Chunk {
  model?: string;
  choices?: ReadonlyArray<{ delta?: Delta; message?: Delta; finish_reason?: string | null }>;
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
  error?: unknown;
}

/** Ask, and tell of every change. Never throws: what went wrong is told too. */
export async function ask(question: Question, signal: AbortSignal, tell: (answer: Answer) => void): Promise<void> {
  const began = performance.now();
  const answer = { ...UNANSWERED };
  let ended = false;
  const seconds = () => (performance.now() - began) / 1000;
  const take = (data: string) => {
    if (data === "[DONE]") ended = true;
    else if (read(data, answer)) answer.first ??= seconds();
    if (answer.first !== null) answer.state = "answering";
  };
  try {
    const response = await send("POST", "/generate", { headers: headers(question), body: body(question), signal });
    answer.exchange = response.headers.get("x-driftium-exchange-id");
    if (response.headers.get("content-type")?.includes("application/json")) take(await response.text());
    else {
      const parser = createParser({ onEvent: ({ data }) => take(data) });
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        parser.feed(part.value);
        tell({ ...answer });
      }
      parser.reset({ consume: true });
    }
    answer.state = answer.error ? "failed" : ended || answer.finish ? "done" : "cut off";
  } catch (failure) {
    if (signal.aborted) answer.state = "stopped";
    else if (failure instanceof Refused) Object.assign(answer, { state: "failed", error: failure.message });
    else if (answer.exchange) answer.state = "cut off";
    else Object.assign(answer, { state: "failed", error: String(failure) });
  }
  answer.total = seconds();
  tell({ ...answer });
}

function headers(question: Question): Record<string, string> {
  // Also where there is none: the console's own token, which goes with every request, is not for the model server.
  return { accept: "text/event-stream", "x-driftium-upstream-key": question.key };
}

function body({ prompt, system, model, monitor, options }: Question) {
  return {
    prompt,
    system: system.trim() ? system : null,
    model: model.trim() || null,
    monitor: monitor || null,
    options: { ...options, stream_options: { include_usage: true } },
  };
}

/** Add one event's data to the answer; whether it brought words. */
function read(data: string, answer: Answer): boolean {
  let chunk: Chunk;
  try {
    chunk = JSON.parse(data) as Chunk;
  } catch {
    answer.error = `The model server sent something that is not JSON: ${data.slice(0, 200)}`;
    return false;
  }
  if (chunk.error) {
    answer.error = said(data) ?? (typeof chunk.error === "string" ? chunk.error : JSON.stringify(chunk.error));
    return false;
  }
  answer.model = chunk.model || answer.model;
  answer.tokensIn = chunk.usage?.prompt_tokens ?? answer.tokensIn;
  answer.tokensOut = chunk.usage?.completion_tokens ?? answer.tokensOut;
  const choice = chunk.choices?.[0];
  const delta = choice?.delta ?? choice?.message;
  const thought = delta?.reasoning ?? delta?.reasoning_content ?? "";
  answer.finish = choice?.finish_reason ?? answer.finish;
  answer.text += delta?.content ?? "";
  answer.reasoning += thought;
  return Boolean(delta?.content || thought);
}
