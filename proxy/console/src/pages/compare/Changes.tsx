/** What else changed: settings, templates, who asks, and how exchanges ended. */

import type { ComponentChildren } from "preact";

import type { Schemas } from "../../api/client";
import { Table } from "../../charts/Chart";
import { Card, Time } from "../../components/parts";
import { count, percent, plural, spaced } from "../../format";

type Evidence = Schemas["EvidenceView"];

export function Changes(props: { evidence: Evidence }) {
  const { alterations, templates, newcomers, outcomes, notes } = props.evidence;
  const ends = outcomes ? rows(outcomes) : [];
  const uneven = ends.length > 1;
  const nothing = !alterations.length && !templates.length && !newcomers && !uneven && !notes.length;
  return (
    <Card id="settings" title="Settings, templates and outcomes">
      {nothing && (
        <p class="muted">
          No setting and no template differs
          {ends.length === 1 ? `, and every exchange of both sides ended as “${ends[0]![0]}”` : ""}.
        </p>
      )}
      {alterations.length > 0 && (
        <Part title="Settings that changed">
          <Table
            label="Settings that changed"
            columns={[
              { name: "Setting" },
              { name: "Before" },
              { name: "Now" },
              { name: "Had it before", number: true },
              { name: "Have it now", number: true },
              { name: "Since" },
            ]}
            rows={alterations.map((one) => [
              spaced(one.what),
              <span class="cmp-value">{one.before}</span>,
              <span class="cmp-value">{one.after}</span>,
              percent(one.baseline_share),
              percent(one.window_share),
              <Time at={one.at} />,
            ])}
          />
        </Part>
      )}
      {templates.length > 0 && (
        <Part title="Beginnings and ends that prompts have in common">
          <Table
            label="Templates"
            columns={[{ name: "Where" }, { name: "Words" }, { name: "Baseline", number: true }, { name: "Now", number: true }]}
            rows={templates.map((one) => [
              one.where,
              <span class="cmp-value">{one.text || `${plural(one.characters, "character")}, texts are not kept`}</span>,
              percent(one.baseline_share),
              percent(one.window_share),
            ])}
          />
        </Part>
      )}
      {newcomers && (
        <Part title="Exchanges of users or sessions that are new">
          <p>
            {percent(newcomers.window_share)} now; {percent(newcomers.expected_share)} were to be expected.
          </p>
        </Part>
      )}
      {uneven && (
        <Part title="How exchanges ended">
          <Table
            label="Outcomes"
            columns={[{ name: "Outcome" }, { name: "Baseline", number: true }, { name: "Now", number: true }]}
            rows={ends}
          />
        </Part>
      )}
      {notes.map((note) => (
        <p class="muted small" key={note}>
          {note}
        </p>
      ))}
    </Card>
  );
}

function Part(props: { title: string; children: ComponentChildren }) {
  return (
    <section class="cmp-part">
      <h3>{props.title}</h3>
      {props.children}
    </section>
  );
}

function rows({ baseline, window }: Schemas["Outcomes"]): ComponentChildren[][] {
  const names = [...new Set([...Object.keys(baseline), ...Object.keys(window)])];
  const cell = (side: Readonly<Record<string, number>>, name: string) => {
    const all = Object.values(side).reduce((sum, n) => sum + n, 0);
    return all ? `${count(side[name] ?? 0)} (${percent((side[name] ?? 0) / all)})` : count(0);
  };
  return names.map((name) => [spaced(name), cell(baseline, name), cell(window, name)]);
}
