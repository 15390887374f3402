/** A button that fetches a file with the token and saves it, and says why it could not. */

import { useState } from "preact/hooks";

import { download } from "./save";

export function Download(props: { path: string; name: string; label: string; accept?: string }) {
  const [error, fail] = useState("");
  const [busy, work] = useState(false);
  const fetchIt = async () => {
    work(true);
    fail("");
    try {
      await download(props.path, props.name, props.accept);
    } catch (problem) {
      fail(problem instanceof Error ? problem.message : String(problem));
    }
    work(false);
  };
  return (
    <>
      <button type="button" class="button small" disabled={busy} onClick={() => void fetchIt()}>
        {busy ? "Fetching…" : props.label}
      </button>
      {error && (
        <span class="small failed-download" role="alert">
          {error}
        </span>
      )}
    </>
  );
}
