/** Seconds passing, for what takes long. */

import { useEffect, useState } from "preact/hooks";

import { seconds } from "../../format";

export function Elapsed(props: { since: number }) {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const ticking = setInterval(() => set(Date.now()), 1000);
    return () => clearInterval(ticking);
  }, []);
  const passed = Math.max(0, Math.floor((now - props.since) / 1000));
  // Not read aloud each second: what goes on is said beside it once.
  return (
    <span class="number" aria-hidden="true">
      {passed ? seconds(passed) : "0 s"}
    </span>
  );
}
