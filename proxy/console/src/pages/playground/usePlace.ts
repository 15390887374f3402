/** Where an answer falls, asked again while the worker has not scored it. */

import { useEffect, useState } from "preact/hooks";

import { get, type Schemas } from "../../api/client";
import { useEvents } from "../../api/live";

type Place = Schemas["Place"];

/** The route itself waits some seconds for the worker; so often it is asked. */
const TIMES = 12;
const PAUSE_MS = 1000;

export function usePlace(exchange: string) {
  const [place, set] = useState<Place | undefined>();
  const [error, setError] = useState("");
  const [asking, setAsking] = useState(true);
  const [turn, setTurn] = useState(0);
  const again = () => setTurn((n) => n + 1);
  useEvents(["baseline"], again);
  useEffect(() => {
    const leaving = new AbortController();
    const read = async () => {
      for (let i = 0; i < TIMES; i++) {
        const found = await get("/exchanges/{exchange_id}/place", {
          path: { exchange_id: exchange },
          query: { neighbours: 3 },
          signal: leaving.signal,
        });
        set(found);
        if (found.status !== "pending") return;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        if (leaving.signal.aborted) return;
      }
    };
    setError("");
    setAsking(true);
    read()
      .catch((failure: unknown) => {
        if (!leaving.signal.aborted) setError(failure instanceof Error ? failure.message : String(failure));
      })
      .finally(() => leaving.signal.aborted || setAsking(false));
    return () => leaving.abort();
  }, [exchange, turn]);
  return { place, error, asking, again };
}
