/** All evidence of a report: what it says, its figures, and the exchanges behind it. */

import "./evidence.css";

import { useContext, useEffect } from "preact/hooks";

import { to } from "../../api/address";
import type { Schemas } from "../../api/client";
import { Card, Time } from "../../components/parts";
import { figure, p, percent, plural, spaced } from "../../format";
import { arrows, visible } from "../tables/visible";
import { anchor, Citing, showFact } from "./citing";
import { home } from "./homes";

type Fact = Schemas["Fact"];

export function Evidence(props: { facts: readonly Fact[] }) {
  // An address that names a fact is followed once the facts are there.
  useEffect(() => {
    const named = decodeURIComponent(location.hash.slice(1));
    const fact = props.facts.find((one) => anchor(one.id) === named);
    if (fact) showFact(fact.id);
  }, [props.facts]);
  return (
    <Card title="Evidence" aside={<span class="muted small">{plural(props.facts.length, "fact")}; everything above rests on these</span>}>
      <ol class="evidence">
        {props.facts.map((fact) => (
          <One key={fact.id} fact={fact} />
        ))}
      </ol>
    </Card>
  );
}

function One(props: { fact: Fact }) {
  const { fact } = props;
  const { monitor, reports } = useContext(Citing);
  const elsewhere = home(fact, monitor, reports);
  const figures = Object.entries(fact.figures);
  return (
    <li id={anchor(fact.id)} tabIndex={-1}>
      <p class="row spread">
        <span class="mono small id">{fact.id}</span>
        <span class="kind">{spaced(fact.kind)}</span>
      </p>
      <p class="said">{arrows(fact.text)}</p>
      {fact.exchange_ids.length > 0 && (
        <p class="small exchanges">
          <span class="muted">Exchanges:</span>{" "}
          {fact.exchange_ids.map((id) => (
            <a key={id} class="mono" href={to("/compare", { monitor, pair: id })} title={id}>
              …{id.slice(-8)}
            </a>
          ))}
        </p>
      )}
      <div class="row small">
        {figures.length > 0 && (
          <details>
            <summary>{plural(figures.length, "figure")}</summary>
            <dl class="figures">
              {figures.map(([name, value]) => (
                <div key={name}>
                  <dt>{visible(spaced(name))}</dt>
                  <dd>{shown(name, value)}</dd>
                </div>
              ))}
            </dl>
          </details>
        )}
        {elsewhere && (
          <a class="elsewhere" href={elsewhere.href}>
            {elsewhere.label} <span aria-hidden="true">→</span>
          </a>
        )}
      </div>
    </li>
  );
}

function shown(name: string, value: number) {
  if (name === "at") return <Time at={new Date(value * 1000).toISOString()} />;
  if (/(^|_)p(_|$)/.test(name)) return p(value);
  if (/(^|_)share$/.test(name)) return percent(value, 1);
  return figure(value, 4);
}
