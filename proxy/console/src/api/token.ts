/** The admin token, where the server asks for one: kept in this browser, sent with every request to this Driftium. */

const KEY = "driftium.token";

type Listener = (wanted: boolean) => void;

const listeners = new Set<Listener>();
let wanted = false;
/** All requests that were refused wait for the same token. */
let asked: { given: Promise<void>; go: () => void } | undefined;
/** Where the browser stores nothing it holds until the page is left. */
let held: string | null = null;

export function token(): string | null {
  try {
    return localStorage.getItem(KEY) ?? held;
  } catch {
    return held;
  }
}

/** Whether a server can have such a token: printable ASCII without spaces, as its settings demand. */
export function isToken(value: string): boolean {
  return /^[\x21-\x7e]+$/.test(value);
}

export function keepToken(value: string): void {
  held = value;
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Held above.
  }
  goOn();
}

export function forgetToken(): void {
  held = null;
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Nothing was kept.
  }
}

/** Ask for a token; resolves once one was given, here or in another tab. */
export function askForToken(): Promise<void> {
  if (!asked) {
    let go = () => undefined as void;
    asked = { given: new Promise((resolve) => (go = resolve)), go: () => go() };
    tell(true);
  }
  return asked.given;
}

/** Whether everything waits for a person to give one. */
export function isTokenWanted(): boolean {
  return wanted;
}

/** Be told whether a token is wanted, now and on each change; returns how to stop. */
export function onTokenWanted(listener: Listener): () => void {
  listeners.add(listener);
  listener(wanted);
  return () => listeners.delete(listener);
}

function goOn(): void {
  const waiting = asked;
  asked = undefined;
  tell(false);
  waiting?.go();
}

function tell(now: boolean): void {
  wanted = now;
  listeners.forEach((listener) => listener(now));
}

addEventListener("storage", (event) => {
  if (event.key === KEY && event.newValue) goOn();
});
