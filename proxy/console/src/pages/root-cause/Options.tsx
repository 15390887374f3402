/** How to look for the cause: with the language model or without, for how long, and at which time. */

import { Field } from "../../components/parts";
import type { Choices } from "./asking";

const LONGEST_SECONDS = 600;

export function Options(props: { choices: Choices; change: (choices: Choices) => void; disabled: boolean }) {
  const { choices, change, disabled } = props;
  const set = (changes: Partial<Choices>) => change({ ...choices, ...changes });
  return (
    <details class="options">
      <summary>Options</summary>
      <fieldset disabled={disabled}>
        <legend class="sr">Options</legend>
        <Field label="Words by" hint="Figures and severity are computed; its words are checked against them.">
          <select value={choices.useModel ? "model" : "rules"} onChange={(event) => set({ useModel: event.currentTarget.value === "model" })}>
            <option value="model">the language model</option>
            <option value="rules">rules alone</option>
          </select>
        </Field>
        {choices.useModel && (
          <>
            <Field label="Model" hint="Empty: the one in the settings, else the upstream's first.">
              <input value={choices.model} autoComplete="off" spellcheck={false} onInput={(event) => set({ model: event.currentTarget.value })} />
            </Field>
            <Field label="Time limit, in seconds" hint="After it the rules' words stand.">
              <input
                type="number"
                min="1"
                max={LONGEST_SECONDS}
                value={choices.timeout}
                onInput={(event) => set({ timeout: event.currentTarget.value })}
              />
            </Field>
          </>
        )}
        <Field label="From" hint="An earlier time, in local time: its worst look is explained.">
          <input type="datetime-local" step="1" value={choices.from} onInput={(event) => set({ from: event.currentTarget.value })} />
        </Field>
        <Field label="To" hint="Both empty: the last look.">
          <input type="datetime-local" step="1" value={choices.to} onInput={(event) => set({ to: event.currentTarget.value })} />
        </Field>
      </fieldset>
    </details>
  );
}
