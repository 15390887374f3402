/** A view's state lives in its address, so that it can be shared. */

import { useLocation } from "preact-iso";
import { useCallback } from "preact/hooks";

/** A parameter of the address and how to change it; "" when absent. Changing replaces the entry in the history. */
export function useParameter(name: string): [string, (value: string | null) => void] {
  const { query, route } = useLocation();
  const set = useCallback(
    (value: string | null) => route(here({ [name]: value }), true),
    // `route` is the router's own and stays.
    [name],
  );
  return [query[name] ?? "", set];
}

/** The present address with these parameters changed; null takes one away. */
export function here(changes: Readonly<Record<string, string | null>>): string {
  const search = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") search.delete(name);
    else search.set(name, value);
  }
  return location.pathname + (search.size ? `?${search}` : "") + location.hash;
}

/** A view's path with parameters, for links; empty values are left out. */
export function to(path: string, parameters: Readonly<Record<string, string | null | undefined>> = {}): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}
