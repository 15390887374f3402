/** What happens, as it happens: one connection to /events for the whole console. */

import { createParser } from "eventsource-parser";
import { useEffect, useRef, useState } from "preact/hooks";

import { Refused, send } from "./client";

export type Kind = "score" | "evidence" | "rca" | "baseline" | "worker" | "mute" | "acknowledge" | "erased" | "canary";
export type Link = "connecting" | "live" | "lost";

export interface LiveEvent {
  kind: Kind;
  /** The event's fields; which there are depends on its kind. */
  data: Record<string, unknown>;
}

const RETRY_MS = 2000;
/** The server says something every 15 s: this long without a byte it is not there, whatever the connection says. */
const SILENCE_MS = 45_000;
const listeners = new Set<(event: LiveEvent) => void>();
const watchers = new Set<(link: Link) => void>();
let link: Link = "connecting";
let last = "";
let started = false;

function setLink(now: Link): void {
  link = now;
  watchers.forEach((watch) => watch(now));
}

async function follow(): Promise<void> {
  for (;;) {
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (last) headers["last-event-id"] = last;
      const silent = new AbortController();
      const response = await send("GET", "/events", { headers, signal: silent.signal });
      setLink("live");
      await read(response, silent);
    } catch (error) {
      const lost = error instanceof Refused || error instanceof TypeError || error instanceof DOMException;
      if (!lost) console.error(error);
    }
    setLink("lost");
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function read(response: Response, silent: AbortController): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silent.abort(), SILENCE_MS);
  };

  const parser = createParser({
    onEvent: ({ event, data, id }) => {
      if (id) last = id;
      const told = { kind: event as Kind, data: JSON.parse(data) as Record<string, unknown> };
      listeners.forEach((listener) => listener(told));
    },
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  try {
    heard();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      heard();
      parser.feed(part.value);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Call `handle` with each event of these kinds while the component is shown. */
export function useEvents(kinds: readonly Kind[], handle: (event: LiveEvent) => void): void {
  const current = useRef(handle);
  current.current = handle;
  const wanted = kinds.join();
  useEffect(() => {
    if (!started) {
      started = true;
      void follow();
    }
    const listener = (event: LiveEvent) => {
      if (wanted.split(",").includes(event.kind)) current.current(event);
    };
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, [wanted]);
}

/** Whether events come. */
export function useLink(): Link {
  const [now, set] = useState(link);
  useEffect(() => {
    watchers.add(set);
    set(link);
    return () => void watchers.delete(set);
  }, []);
  return now;
}
