/** Which monitor a page is about: the address's, else the busiest. */

import { useEffect } from "preact/hooks";

import { useParameter } from "../api/address";
import type { Schemas } from "../api/client";
import { useQuery } from "../api/query";

export type Monitor = Schemas["MonitorView"];

/** All monitors, the one that is looked at, and how to look at another. `pin` writes its name into the address. */
export function useMonitors(pin = false) {
  const [name, choose] = useParameter("monitor");
  const { data, error, loading, refresh } = useQuery("/monitors", { on: ["score", "baseline", "mute", "acknowledge", "erased"], every: 10 });
  // A canary's own monitor has no baseline and no severity: the overview shows it with its rounds.
  const monitors = (data?.monitors ?? []).filter((one) => one.kind !== "canary");
  const monitor = name ? monitors.find((one) => one.name === name) : monitors[0];
  // Whoever looks at the busiest keeps looking at it when another becomes that, and can share the address.
  const first = monitor?.name;
  useEffect(() => {
    if (pin && !name && first) choose(first);
  }, [pin, name, first]);
  return { monitors, monitor, name: name || monitor?.name, choose, error, loading, refresh, known: data !== undefined };
}

export function MonitorPicker(props: { monitors: readonly Monitor[]; name: string | undefined; choose: (name: string) => void }) {
  const { monitors, name, choose } = props;
  if (!monitors.length) return null;
  const known = monitors.some((one) => one.name === name);
  return (
    <label class="pick">
      Monitor
      <select value={name} onChange={(event) => choose(event.currentTarget.value)}>
        {!known && name && <option value={name}>{name} (not seen)</option>}
        {monitors.map((one) => (
          <option key={one.name} value={one.name}>
            {one.name}
            {one.severity ? ` · ${one.severity}` : ""}
            {one.mute ? " · muted" : ""}
          </option>
        ))}
      </select>
    </label>
  );
}
