/** Light or dark: the system's until one is chosen, which this browser then keeps. */

import { useEffect, useState } from "preact/hooks";

const KEY = "driftium.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

type Theme = "light" | "dark";

function current(): Theme {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return system.matches ? "dark" : "light";
}

/** Told to those who draw with colours that CSS does not follow. */
export const CHANGED = "driftium-theme";

export function ThemeToggle() {
  const [theme, set] = useState(current);
  useEffect(() => {
    const follow = () => {
      set(current());
      document.dispatchEvent(new Event(CHANGED));
    };
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, []);
  const other: Theme = theme === "dark" ? "light" : "dark";
  const choose = () => {
    document.documentElement.dataset.theme = other;
    try {
      localStorage.setItem(KEY, other);
    } catch {
      // No storage: it holds until the page is left.
    }
    set(other);
    document.dispatchEvent(new Event(CHANGED));
  };
  return (
    <button type="button" class="button small" onClick={choose} aria-label={`Change to the ${other} theme`}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor" stroke-width="1.5" />
        <path d="M8 1.5a6.5 6.5 0 0 1 0 13Z" fill="currentColor" />
      </svg>
      {theme === "dark" ? "Dark" : "Light"}
    </button>
  );
}
