/** How far a file is, and how to stop it. */

import { bytes } from "../../format";
import { Elapsed } from "./Elapsed";
import type { Progress } from "./progress";

export function Sending(props: { progress: Progress; doing: string; cancel: () => void }) {
  const { sent, all, since } = props.progress;
  const gone = all > 0 && sent >= all;
  return (
    <div class="sending">
      <p class="row spread">
        <span>
          <span role="status">{gone ? `${props.doing}…` : "Sending…"}</span>{" "}
          {!gone && all > 0 && (
            <span class="number">
              {bytes(sent)} of {bytes(all)}
            </span>
          )}{" "}
          <span class="muted">
            <Elapsed since={since} />
          </span>
        </span>
        <button type="button" class="button small" onClick={props.cancel}>
          Cancel
        </button>
      </p>
      {gone || !all ? (
        <progress aria-label={props.doing} />
      ) : (
        <progress aria-label="Bytes sent" max={all} value={sent} />
      )}
    </div>
  );
}
