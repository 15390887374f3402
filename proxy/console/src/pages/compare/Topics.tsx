/** What the prompts are about: topics that grew and shrank. */

import { useState } from "preact/hooks";

import { here } from "../../api/address";
import type { Schemas } from "../../api/client";
import { Sides } from "../../charts/Distributions";
import { Table } from "../../charts/Chart";
import { Card } from "../../components/parts";
import { fixed, p, percent, plural } from "../../format";

type Topic = Schemas["Topic"];

const COLUMNS = [
  { name: "Topic" },
  { name: "Baseline and now" },
  { name: "Change" },
  { name: "Part of the drift", number: true },
  { name: "Residual (s.d.)", number: true },
];

export function Topics(props: { evidence: Schemas["EvidenceView"]; paired: ReadonlySet<string> }) {
  const { evidence, paired } = props;
  const [all, showAll] = useState(false);
  const topics = evidence.topics?.topics ?? [];
  const moved = topics.filter((topic) => topic.moved);
  const others = topics.filter((topic) => !topic.moved);
  const total = evidence.severity === "LOW" ? null : evidence.witness_total;
  const top = Math.max(...topics.flatMap((topic) => [topic.baseline_share, topic.window_share]), 1e-9);
  const row = (topic: Topic) => [
    <Name topic={topic} paired={paired} />,
    <Bars topic={topic} top={top} />,
    <span class="cmp-change">{change(topic)}</span>,
    total && total > 0 ? percent(topic.contribution / total) : "–",
    fixed(topic.residual, 1),
  ];
  return (
    <Card id="topics" title="Topics that grew and shrank" aside={<Sides />}>
      {!topics.length ? (
        <p class="muted">
          No topics yet: they are made from the baseline's prompts when a monitor is looked at closely, and need some tens of
          prompts.
        </p>
      ) : (
        <>
          <p class="muted small cmp-reading">
            {moved.length ? `${plural(moved.length, "topic")} of ${topics.length} changed` : `None of ${topics.length} topics changed`}
            ; all shares at once: p {p(evidence.topics!.p_value)}. A residual beyond 2 either way is unusual.
          </p>
          {(moved.length > 0 || all) && (
            <Table label="Topics" columns={COLUMNS} rows={[...moved, ...(all ? others : [])].map(row)} />
          )}
          {others.length > 0 && (
            <div>
              <button type="button" class="button quiet small" aria-expanded={all} onClick={() => showAll(!all)}>
                {all ? "Hide those that did not change" : `Show the ${others.length} that did not change`}
              </button>
            </div>
          )}
        </>
      )}
    </Card>
  );
}

function Name(props: { topic: Topic; paired: ReadonlySet<string> }) {
  const { topic } = props;
  const example = topic.examples.find((id) => props.paired.has(id));
  const fresh = topic.name.startsWith("new: ");
  return (
    <div class="cmp-topic">
      {fresh && <strong>new: </strong>}
      {topic.words.length ? topic.words.join(", ") : topic.name}
      {example && (
        <>
          {" "}
          <a class="small" href={here({ pair: example })}>
            an example
          </a>
        </>
      )}
    </div>
  );
}

function change(topic: Topic) {
  if (!topic.moved) return "much the same";
  return topic.window_share > topic.baseline_share ? "▲ grew" : "▼ shrank";
}

function Bars(props: { topic: Topic; top: number }) {
  const { topic, top } = props;
  const sides = [
    ["before", topic.baseline_share, topic.baseline_count],
    ["now", topic.window_share, topic.window_count],
  ] as const;
  return (
    <div class="cmp-shares">
      {sides.map(([side, share, answers]) => (
        <div key={side} title={`${side === "before" ? "baseline" : "now"}: ${plural(answers, "prompt")}`}>
          <span class="cmp-track" aria-hidden="true">
            <i class={side} style={{ width: `${(share / top) * 100}%` }} />
          </span>
          <span class="number">
            <span class="sr">{side === "before" ? "baseline " : "now "}</span>
            {percent(share)}
          </span>
        </div>
      ))}
    </div>
  );
}
