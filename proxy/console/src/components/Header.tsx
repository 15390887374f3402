/** The header of every page: where one can go, whether events come, and the theme. */

import { useLocation } from "preact-iso";
import { useEffect } from "preact/hooks";

import { to } from "../api/address";
import { useEvents, useLink } from "../api/live";
import { ThemeToggle } from "./ThemeToggle";

const PAGES: ReadonlyArray<readonly [path: string, name: string]> = [
  ["/", "Overview"],
  ["/compare", "Compare"],
  ["/playground", "Playground"],
  ["/root-cause", "Root cause"],
  ["/tables", "Tables"],
  ["/set-up", "Set-up"],
];

/** Pages about one monitor: the one that is looked at stays when one goes from page to page. */
const ABOUT_ONE = new Set(["/", "/compare", "/playground", "/root-cause"]);

export function Header() {
  const { path, query } = useLocation();
  const name = PAGES.find(([page]) => page === path)?.[1];
  useEffect(() => {
    document.title = [query.monitor, name && path !== "/" ? name : "", "Driftium"].filter(Boolean).join(" · ");
  }, [name, path, query.monitor]);
  return (
    <header class="top">
      <div class="inside">
        <a class="brand" href="/">
          <img src="/favicon.svg" alt="" />
          Driftium
        </a>
        <div class="tools">
          <Live />
          <ThemeToggle />
        </div>
        <nav aria-label="Pages">
          {PAGES.map(([page, title]) => (
            <a
              key={page}
              href={to(page, ABOUT_ONE.has(page) ? { monitor: query.monitor } : {})}
              aria-current={page === path ? "page" : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
      </div>
    </header>
  );
}

const LINKS = {
  connecting: ["connecting", "Waiting for the first events."],
  live: ["live", "What happens is shown as it happens."],
  lost: ["not connected", "The connection is lost; it is tried again every two seconds."],
} as const;

function Live() {
  useEvents([], () => undefined);
  const link = useLink();
  const [word, title] = LINKS[link];
  return (
    <span class={`link ${link}`} title={title} role="status">
      <i aria-hidden="true" />
      {word}
    </span>
  );
}
