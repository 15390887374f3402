/** A chart with the table of its figures: whoever cannot see the one reads the other. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

export interface Column {
  name: string;
  /** Right-aligned, in figures of one width. */
  number?: boolean;
}

export function Chart(props: {
  /** What it shows, in a sentence: read aloud in place of the picture. */
  label: string;
  columns: readonly Column[];
  /** The table's rows; made only when it is shown. */
  rows: () => ReadonlyArray<readonly ComponentChildren[]>;
  children: ComponentChildren;
  /** Further controls beside the one for the table. */
  controls?: ComponentChildren;
}) {
  const [shown, show] = useState(false);
  return (
    <figure class="stack chart">
      <div role="img" aria-label={props.label}>
        {props.children}
      </div>
      <figcaption class="row">
        <button type="button" class="button quiet small" aria-expanded={shown} onClick={() => show(!shown)}>
          {shown ? "Hide table" : "Show as table"}
        </button>
        {props.controls}
      </figcaption>
      {shown && <Table label={props.label} columns={props.columns} rows={props.rows()} />}
    </figure>
  );
}

export function Table(props: { label: string; columns: readonly Column[]; rows: ReadonlyArray<readonly ComponentChildren[]> }) {
  return (
    <div class="table-wrap" tabIndex={0} role="region" aria-label={`Table: ${props.label}`}>
      <table>
        <thead>
          <tr>
            {props.columns.map((column) => (
              <th key={column.name} scope="col" class={column.number ? "number" : undefined}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row, i) => (
            <tr key={i}>
              {row.map((cell, j) => (
                <td key={j} class={props.columns[j]?.number ? "number" : undefined}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
