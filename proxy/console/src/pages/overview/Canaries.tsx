/** Canaries: the same prompts, asked on a schedule. What their rounds say of the model, whoever the users are. */

import { useState } from "preact/hooks";

import { to } from "../../api/address";
import { post, Refused, type Schemas } from "../../api/client";
import { useQuery } from "../../api/query";
import { Dialog } from "../../components/Dialog";
import { Card, Failed, Note, Time } from "../../components/parts";
import { count, figure, fixed, p, plural, spaced } from "../../format";

type Canary = Schemas["CanaryView"];
type Round = Canary["rounds"][number];

const STATES: Record<Canary["state"], readonly [kind: string, word: string]> = {
  not_asked: ["", "not asked yet"],
  reference: ["", "first rounds"],
  same: ["low", "as ever"],
  suspected: ["medium", "differs, to be confirmed"],
  changed: ["critical", "the model has changed"],
};
const ROUNDS: Record<Round["status"], string> = {
  asking: "being asked",
  waiting: "waits for the worker",
  incomplete: "incomplete",
  reference: "reference",
  compared: "compared",
};

/** Nothing where no canary is set: the set-up page teaches it. */
export function Canaries() {
  const { data, error, refresh } = useQuery("/canaries", { on: ["canary"], every: 15 });
  if (error) return <Failed error={error} retry={refresh} />;
  if (!data?.canaries.length) return null;
  return (
    <div class="overview canaries">
      {data.canaries.map((one) => (
        <One key={one.name} canary={one} changed={refresh} />
      ))}
    </div>
  );
}

function One(props: { canary: Canary; changed: () => void }) {
  const { canary, changed } = props;
  const [asked, ask] = useState(false);
  const [error, fail] = useState("");
  const act = async (path: "/canaries/{name}/run" | "/canaries/{name}/reference") => {
    ask(false);
    fail("");
    try {
      await post(path, { path: { name: canary.name } });
      changed();
    } catch (refused) {
      fail(refused instanceof Refused ? refused.message : String(refused));
    }
  };
  const [kind, word] = STATES[canary.state];
  const { cost } = canary;
  const complete = canary.rounds.some((one) => one.status === "compared" || one.status === "reference");
  return (
    <Card title={`Canary ${canary.name}`} class="wide" aside={<span class={`badge ${kind}`}>{word}</span>}>
      <p class="said">{canary.message}</p>
      {canary.problem && <Note kind="warning">{canary.problem}</Note>}
      {canary.rounds.length > 0 && <Rounds canary={canary.name} rounds={canary.rounds} />}
      <p class="small muted">
        {plural(canary.prompts, "prompt")}, {plural(canary.repeats, "answer")} each, of {canary.model || "the default model"}:{" "}
        {count(cost.requests_per_round)} requests
        {cost.tokens_per_round !== null && <> and {count(cost.tokens_per_round)} tokens</>} a round
        {cost.requests_per_day !== null && (
          <>
            , {count(cost.requests_per_day)} requests
            {cost.tokens_per_day !== null && <> and {count(cost.tokens_per_day)} tokens</>} a day
          </>
        )}
        ; {count(cost.requests_today)} of at most {count(cost.max_requests_per_day)} today.
        {canary.next_at && (
          <>
            {" "}
            Next round <Time at={canary.next_at} />.
          </>
        )}
      </p>
      <Failed error={error} />
      <div class="row">
        <button type="button" class="button" disabled={canary.asking} onClick={() => void act("/canaries/{name}/run")}>
          {canary.asking ? "Being asked…" : "Ask a round now"}
        </button>
        {complete && (
          <button type="button" class="button" onClick={() => ask(true)}>
            Renew the reference
          </button>
        )}
        {canary.changed && canary.monitors[0] && (
          <a class="button" href={to("/root-cause", { monitor: canary.monitors[0] })}>
            Find the cause
          </a>
        )}
      </div>
      {asked && (
        <Dialog title={`Renew the reference of ${canary.name}?`} onClose={() => ask(false)}>
          <p>
            Its last complete round is how the model is to answer from now on; later rounds are compared with it. The other rounds of
            the reference are asked at once.
          </p>
          <div class="row">
            <button type="button" class="button primary" onClick={() => void act("/canaries/{name}/reference")}>
              Renew it
            </button>
            <button type="button" class="button" onClick={() => ask(false)}>
              Leave it
            </button>
          </div>
        </Dialog>
      )}
    </Card>
  );
}

function Rounds(props: { canary: string; rounds: Canary["rounds"] }) {
  return (
    <div class="table-wrap" tabIndex={0} role="region" aria-label={`Table: rounds of ${props.canary}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Round</th>
            <th scope="col">Asked</th>
            <th scope="col">Came out</th>
            <th scope="col" class="number">
              Answers
            </th>
            <th scope="col" class="number">
              p
            </th>
            <th scope="col" class="number">
              Moved by
            </th>
          </tr>
        </thead>
        <tbody>
          {props.rounds.slice(0, 10).map((one) => (
            <tr key={one.number}>
              <td>{one.number}</td>
              <td>
                <Time at={one.timestamp} />
              </td>
              <td>
                {outcome(one)}
                {one.differs && <Moved round={one} />}
              </td>
              <td class="number">{count(one.answers)}</td>
              <td class="number">{one.p_value === null ? "–" : p(one.p_value)}</td>
              <td class="number">{one.effect === null ? "–" : fixed(one.effect, 3)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function outcome(one: Round): string {
  if (one.status !== "compared") return ROUNDS[one.status];
  return one.changed ? "changed" : one.differs ? "differs" : "the same";
}

/** The prompts whose answers moved most, and behaviour that did; prompts are the settings' own. */
function Moved(props: { round: Round }) {
  const { moved, features } = props.round;
  if (!moved.length && !features.length) return null;
  return (
    <details>
      <summary class="small">What moved</summary>
      <ul class="small">
        {moved.slice(0, 5).map((one) => (
          <li key={one.prompt}>
            <q>{one.prompt}</q>: {figure(one.distance)} instead of {figure(one.usual)}
          </li>
        ))}
        {features.slice(0, 5).map((one) => (
          <li key={one.name}>
            {spaced(one.name)}: {figure(one.before)} → {figure(one.after)}
          </li>
        ))}
      </ul>
    </details>
  );
}
