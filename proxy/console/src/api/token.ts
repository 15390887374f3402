/** The admin token, where the server asks for one: kept in this browser, sent with every request. */

const KEY = "driftium.token";

type Listener = (wanted: boolean) => void;

const listeners = new Set<Listener>();
let wanted = false;
let waiting: Array<() => void> = [];

export function token(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function keepToken(value: string): void {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // No storage: it holds until the page is left.
  }
  tell(false);
  const going = waiting;
  waiting = [];
  going.forEach((go) => go());
}

export function forgetToken(): void {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Nothing was kept.
  }
}

/** Ask for a token; resolves once one was given. All requests that were refused wait for the same one. */
export function askForToken(): Promise<void> {
  tell(true);
  return new Promise((resolve) => waiting.push(resolve));
}

/** Be told whether a token is wanted, now and on each change; returns how to stop. */
export function onTokenWanted(listener: Listener): () => void {
  listeners.add(listener);
  listener(wanted);
  return () => listeners.delete(listener);
}

function tell(now: boolean): void {
  wanted = now;
  listeners.forEach((listener) => listener(now));
}
