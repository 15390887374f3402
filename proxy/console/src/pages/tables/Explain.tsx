/** Why one column has drifted, in words: by rules, and by the language model where its words can be checked. */

import { useEffect, useState } from "preact/hooks";

import { post, type Schemas } from "../../api/client";
import { Copy } from "../../components/Copy";
import { Failed, Note } from "../../components/parts";
import { fixed } from "../../format";
import { Elapsed } from "./Elapsed";
import { arrows, visible } from "./visible";

export function Explain(props: { report: string; feature: string; source: string }) {
  const { report, feature, source } = props;
  const [found, show] = useState<Schemas["Explained"] | undefined>();
  const [error, fail] = useState("");
  const [since, start] = useState(Date.now());
  const [turn, again] = useState(0);
  useEffect(() => {
    const leaving = new AbortController();
    show(undefined);
    fail("");
    start(Date.now());
    const body = { report_id: report, feature, incoming_source_description: source.trim() || null };
    post("/api/rca", { body, signal: leaving.signal }).then(show, (problem: unknown) => {
      if (!leaving.signal.aborted) fail(problem instanceof Error ? problem.message : String(problem));
    });
    return () => leaving.abort();
    // Words typed about the source count from the next time on.
  }, [report, feature, turn]);

  return (
    <div class="explained">
      <Failed error={error} retry={() => again(turn + 1)} />
      {!found && !error && (
        <p class="muted">
          <span role="status">Explaining…</span> <Elapsed since={since} /> <span class="small">Closing it stops the model.</span>
        </p>
      )}
      {found && (
        <>
          <p class="row spread">
            <span class="muted small">
              Words by {found.source === "model" ? `the model ${visible(found.model ?? "")}, then the rules` : "rules"}
            </span>
            <span class="row">
              <Copy text={found.content} what={`the explanation of ${visible(feature)}`} />
              <button type="button" class="button small" onClick={() => again(turn + 1)}>
                Explain again
              </button>
            </span>
          </p>
          {paragraphs(found.content).map((line, i) => (
            <p key={i}>{arrows(line)}</p>
          ))}
          {found.causes.length > 0 && (
            <>
              <h4>Likely causes</h4>
              <ol class="causes">
                {found.causes.map((cause) => (
                  <li key={cause.kind}>
                    <strong>{visible(cause.kind)}</strong> <span class="muted small">weight {fixed(cause.weight, 2)} of 1</span>
                    <br />
                    {arrows(cause.why)}.
                  </li>
                ))}
              </ol>
            </>
          )}
          {found.checks && (
            <>
              <h4>Check first</h4>
              <p>{arrows(found.checks)}</p>
            </>
          )}
          {found.error && <Note>No words by the model: {visible(found.error)}.</Note>}
        </>
      )}
    </div>
  );
}

/** Without those that name causes and checks, which stand on their own below. */
function paragraphs(content: string): string[] {
  return content.split(/\n{2,}/).filter((line) => line.trim() && !/^(Likely causes?[:,]|Check first:)/.test(line));
}
