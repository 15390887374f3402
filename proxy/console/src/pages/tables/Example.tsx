/** The shipped example: a drift made on purpose, by taking only the young. */

import { useEffect, useRef, useState } from "preact/hooks";

import { Field } from "../../components/parts";

const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
/** Keys move the slider year by year: the comparison waits until it rests. */
const REST_MS = 300;

export interface Chosen {
  age: string;
  p: string;
  seed: string;
}

export const EXAMPLE: Chosen = { age: "35", p: "0.05", seed: "0" };

export function Example(props: { chosen: Chosen; started: boolean; run: (chosen: Chosen) => void }) {
  const [set, change] = useState(props.chosen);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const { age, p, seed } = props.chosen;
  useEffect(() => change({ age, p, seed }), [age, p, seed]);
  const rest = (chosen: Chosen) => {
    change(chosen);
    clearTimeout(timer.current);
    if (chosen.seed !== "") timer.current = setTimeout(() => props.run(chosen), REST_MS);
  };
  const steps = STEPS.includes(Number(set.p)) ? STEPS : [...STEPS, Number(set.p)].sort((a, b) => a - b);
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        clearTimeout(timer.current);
        props.run(set);
      }}
    >
      <p class="muted small">
        The bank marketing rows that come with Driftium are split in two at random: one half is the reference, and those of the
        other half below an age are the current rows. Move the age and see which columns move with it.
      </p>
      <div class="settings">
        <Field
          label="Current rows: age below"
          hint={
            <>
              <output class="number age">{set.age}</output> years
            </>
          }
        >
          <input
            type="range"
            min="18"
            max="95"
            value={set.age}
            aria-valuetext={`${set.age} years`}
            onInput={(event) => change({ ...set, age: event.currentTarget.value })}
            onChange={(event) => rest({ ...set, age: event.currentTarget.value })}
          />
        </Field>
        <Field label="p threshold" hint="Largest adjusted p that counts as drift.">
          <select value={String(Number(set.p))} onChange={(event) => rest({ ...set, p: event.currentTarget.value })}>
            {steps.map((step) => (
              <option key={step} value={String(step)}>
                {step}
              </option>
            ))}
          </select>
        </Field>
        <Field label="Seed" hint="How the rows are split; any whole number.">
          <input
            type="number"
            min="0"
            step="1"
            required
            value={set.seed}
            onInput={(event) => change({ ...set, seed: event.currentTarget.value })}
            onChange={(event) => rest({ ...set, seed: event.currentTarget.value })}
          />
        </Field>
      </div>
      {!props.started && (
        <div>
          <button type="submit" class="button primary">
            Run the example
          </button>
        </div>
      )}
    </form>
  );
}
