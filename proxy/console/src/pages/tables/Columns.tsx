/** The columns, the drifted first and then by effect: as many as one can look at, and more when asked. */

import "./columns.css";

import { useMemo, useState } from "preact/hooks";

import type { Schemas } from "../../api/client";
import { Sides } from "../../charts/Distributions";
import { Card } from "../../components/parts";
import { count } from "../../format";
import { Column } from "./Column";

const AT_ONCE = 50;

export function Columns(props: { run: Schemas["Run"]; source: string }) {
  const { run } = props;
  const [drifted, only] = useState(false);
  const [name, filter] = useState("");
  const [most, show] = useState(AT_ONCE);
  const rows = useMemo(() => {
    const sought = name.trim().toLowerCase();
    return run.display_rows.filter((row) => (!drifted || row.drifted) && row.name.toLowerCase().includes(sought));
  }, [run, drifted, name]);
  const shown = rows.slice(0, most);
  return (
    <Card
      title="Columns"
      class="columns"
      aside={
        <span class="row">
          <Sides before="reference" now="current" />
          <label class="row small">
            <input type="checkbox" checked={drifted} onChange={(event) => (only(event.currentTarget.checked), show(AT_ONCE))} />
            drifted only
          </label>
          <input
            type="search"
            aria-label="Filter columns by name"
            placeholder="Filter by name"
            value={name}
            onInput={(event) => (filter(event.currentTarget.value), show(AT_ONCE))}
          />
        </span>
      }
    >
      <p class="muted small" role="status">
        {rows.length
          ? `${count(shown.length)} of ${count(rows.length)} columns, the drifted first, then by effect.`
          : run.display_rows.length
            ? "No column is like that: change the filter."
            : "The tables share no column."}
      </p>
      <ol class="list">
        {shown.map((row) => (
          <Column key={row.name} row={row} summary={run.summary} report={run.report_id} source={props.source} />
        ))}
      </ol>
      {rows.length > most && (
        <div>
          <button type="button" class="button" onClick={() => show(most + AT_ONCE)}>
            Show {count(Math.min(AT_ONCE, rows.length - most))} more of {count(rows.length - most)}
          </button>
        </div>
      )}
    </Card>
  );
}
