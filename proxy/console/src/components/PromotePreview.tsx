/** The answers that a new baseline would be made of. */

import type { Schemas } from "../api/client";
import { count, plural } from "../format";
import { Facts, Note, Time } from "./parts";

export function PromotePreview(props: { preview: Schemas["Preview"]; busy: boolean }) {
  const { preview } = props;
  const { sources, replaces, models, examples } = preview;
  const from = [
    sources.proxy ? `${count(sources.proxy)} through the proxy` : "",
    sources.playground ? `${count(sources.playground)} from the playground` : "",
    sources.collected ? `${count(sources.collected)} collected from logs` : "",
  ].filter(Boolean);
  const named = Object.entries(models);
  return (
    <div class="stack" aria-busy={props.busy}>
      <p class="sr" aria-live="polite">
        {plural(preview.size, "answer")}
      </p>
      {preview.size < 2 && <p>{preview.message}</p>}
      {preview.advice && <Note>{preview.advice}</Note>}
      {preview.size > 0 && (
        <Facts
          facts={[
            ["Answers", count(preview.size), from.join(", ")],
            ["Monitor", preview.monitor ?? "–"],
            ["First", <Time at={preview.from} />],
            ["Last", <Time at={preview.to} />],
            [named.length === 1 ? "Model" : "Models", named.map(([name]) => name || "unnamed").join(", "), shares(named)],
            ...(preview.sessions === null ? [] : ([["Sessions", count(preview.sessions)]] as const)),
          ]}
        />
      )}
      <p>
        {replaces ? (
          <>
            It replaces the baseline of {plural(replaces.size, "answer")} made <Time at={replaces.created_at} />
            {replaces.note ? ` (“${replaces.note}”)` : ""}, which is kept: you can go back to it.
          </>
        ) : (
          "It is this monitor's first active baseline."
        )}
      </p>
      {examples.length > 0 && (
        <details open>
          <summary>The newest {examples.length === 1 ? "answer" : `${examples.length} answers`}</summary>
          <ol class="promote-examples">
            {examples.map((one) => (
              <li key={one.id}>
                <p class="line">
                  <strong>{one.prompt || one.id}</strong>
                </p>
                <p class="line muted">{one.response || "(text not kept)"}</p>
              </li>
            ))}
          </ol>
        </details>
      )}
    </div>
  );
}

function shares(named: ReadonlyArray<readonly [string, number]>): string {
  return named.length > 1 ? named.map(([name, n]) => `${name || "unnamed"}: ${count(n)}`).join(", ") : "";
}
