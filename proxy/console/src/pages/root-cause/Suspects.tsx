/** Every cause that something speaks for, with how much. */

import type { Schemas } from "../../api/client";
import { Card } from "../../components/parts";
import { percent } from "../../format";
import { arrows } from "../tables/visible";
import { Cites } from "./citing";
import { capitalised, causeLabel } from "./words";

export function Suspects(props: { suspects: readonly Schemas["Suspect"][]; cause: string }) {
  if (!props.suspects.length) return null;
  return (
    <Card title="Suspects" aside={<span class="muted small">about the share of answers that each accounts for</span>}>
      <ol class="suspects">
        {props.suspects.map((one) => (
          <li key={one.cause}>
            <p class="row spread">
              <strong>
                {capitalised(causeLabel(one.cause))}
                {one.cause === props.cause && <span class="kind">named the cause</span>}
              </strong>
              <span class="number">{percent(one.strength)}</span>
            </p>
            <i class="bar" aria-hidden="true">
              <b style={{ width: `${100 * one.strength}%` }} />
            </i>
            <p class="small">
              {arrows(one.statement.text)} <Cites ids={one.statement.evidence} />
            </p>
          </li>
        ))}
      </ol>
    </Card>
  );
}
