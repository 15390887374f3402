/** What was typed, kept by this browser's tab until it is closed. */

import { useState } from "preact/hooks";

const PREFIX = "driftium.playground.";

export function useDraft(name: string): [string, (value: string) => void] {
  const [value, set] = useState(() => stored(name));
  return [
    value,
    (now) => {
      set(now);
      keep(name, now);
    },
  ];
}

/** A secret: kept only once the person says so. */
export function useSecret(name: string) {
  const [value, set] = useState(() => stored(name));
  const [kept, setKept] = useState(Boolean(value));
  return {
    value,
    kept,
    change: (now: string) => {
      set(now);
      if (kept) keep(name, now);
    },
    keep: (yes: boolean) => {
      setKept(yes);
      keep(name, yes ? value : "");
    },
  };
}

function stored(name: string): string {
  try {
    return sessionStorage.getItem(PREFIX + name) ?? "";
  } catch {
    return "";
  }
}

function keep(name: string, value: string): void {
  try {
    if (value) sessionStorage.setItem(PREFIX + name, value);
    else sessionStorage.removeItem(PREFIX + name);
  } catch {
    // No storage: it holds until the page is left.
  }
}
