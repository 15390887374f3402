/** What is shown may be old while the server does not answer. */

import { useEffect, useState } from "preact/hooks";

import { useLink } from "../api/live";
import { Note, Time } from "./parts";

/** A restart of the server takes less. */
const PATIENCE_MS = 4000;

export function Lost() {
  const link = useLink();
  const [since, set] = useState<string>();
  useEffect(() => {
    if (link === "live") return set(undefined);
    if (link === "connecting") return;
    const lost = new Date().toISOString();
    const timer = setTimeout(() => set(lost), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [link]);
  if (!since) return null;
  return (
    <Note kind="error">
      Driftium has not answered since <Time at={since} />: what this page shows is from before. It is tried again every two
      seconds.
    </Note>
  );
}
