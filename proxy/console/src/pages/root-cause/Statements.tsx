/** Sentences, each with the evidence that it rests on. */

import type { Schemas } from "../../api/client";
import { Card } from "../../components/parts";
import { arrows } from "../tables/visible";
import { Cites } from "./citing";

type Statement = Pick<Schemas["Statement"], "text" | "evidence">;

export function Statements(props: { title?: string; statements: readonly Statement[] }) {
  if (!props.statements.length) return null;
  return (
    <>
      {props.title && <h3>{props.title}</h3>}
      <ul class="statements">
        {props.statements.map((one) => (
          <li key={one.text}>
            {arrows(one.text)} <Cites ids={one.evidence} elsewhere />
          </li>
        ))}
      </ul>
    </>
  );
}

export function Moved(props: { statements: readonly Statement[] }) {
  return (
    <Card title="What moved" aside={<span class="muted small">the strongest first</span>} class="moved">
      {props.statements.length ? <Statements statements={props.statements} /> : <p class="muted">Nothing beyond chance.</p>}
    </Card>
  );
}
