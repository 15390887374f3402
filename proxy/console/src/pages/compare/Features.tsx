/** Behaviour of the answers: what differs, with both distributions. */

import { useParameter } from "../../api/address";
import type { Schemas } from "../../api/client";
import { Distributions, Sides } from "../../charts/Distributions";
import { Card } from "../../components/parts";
import { p } from "../../format";
import { direction, effect, featureName, missing } from "./features";

type Feature = Schemas["ColumnResult"];

export function Features(props: { features: readonly Feature[] }) {
  const { features } = props;
  const [shown, show] = useParameter("features");
  const moved = features.filter((one) => one.drifted);
  const others = features.filter((one) => !one.drifted);
  const all = shown === "all";
  return (
    <Card id="features" title="Behaviour of the answers" aside={<Sides />}>
      {!features.length ? (
        <p class="muted">Nothing to show yet: features are compared when a monitor is looked at closely.</p>
      ) : (
        <>
          {!moved.length && <p class="muted">None of {features.length} features differs between the baseline and now.</p>}
          {moved.length > 0 && <List features={moved} />}
          {others.length > 0 && (
            <div>
              <button
                type="button"
                class="button quiet small"
                aria-expanded={all}
                onClick={() => show(all ? null : "all")}
              >
                {all ? `Hide the ${others.length} that do not differ` : `Show the other ${others.length} features`}
              </button>
            </div>
          )}
          {all && <List features={others} />}
        </>
      )}
    </Card>
  );
}

function List(props: { features: readonly Feature[] }) {
  return (
    <ul class="cmp-features">
      {props.features.map((feature) => (
        <li key={feature.name}>
          <div class="row spread">
            <h3>{featureName(feature.name)}</h3>
            <span class="small muted">{feature.drifted ? "differs" : feature.test ? "alike" : "not tested"}</span>
          </div>
          {feature.direction && <p class="small">{direction(feature.direction)}</p>}
          <p class="small muted">
            {[effect(feature), feature.p_adjusted === null ? "" : `adjusted p ${p(feature.p_adjusted)}`, missing(feature)]
              .filter(Boolean)
              .join(" · ")}
          </p>
          {feature.patterns.filter((one) => !one.name.includes("missing")).map((pattern) => (
            <p class="small" key={pattern.name}>
              {pattern.text}
            </p>
          ))}
          {feature.note && <p class="small muted">{feature.note}</p>}
          <Distributions
            label={`${featureName(feature.name)}: share of answers in the baseline and now`}
            bars={feature.shares}
          />
        </li>
      ))}
    </ul>
  );
}
