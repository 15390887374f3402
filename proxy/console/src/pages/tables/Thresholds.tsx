/** What counts as drift, and what the comparison is called. */

import { Field } from "../../components/parts";

export interface Settings {
  /** "" is the server's own. */
  p: string;
  effect: string;
  dataset: string;
}

export function Thresholds(props: { set: Settings; change: (settings: Settings) => void; disabled: boolean }) {
  const { set, change, disabled } = props;
  return (
    <div class="settings">
      <Field label="p threshold" hint="Largest adjusted p that counts; empty: 0.05.">
        <input
          type="number"
          min="0.000001"
          max="0.999"
          step="any"
          placeholder="0.05"
          value={set.p}
          disabled={disabled}
          onInput={(event) => change({ ...set, p: event.currentTarget.value })}
        />
      </Field>
      <Field label="Effect threshold" hint="Smallest effect that counts, of 1; empty: 0.1.">
        <input
          type="number"
          min="0"
          max="1"
          step="any"
          placeholder="0.1"
          value={set.effect}
          disabled={disabled}
          onInput={(event) => change({ ...set, effect: event.currentTarget.value })}
        />
      </Field>
      <Field label="Dataset (optional)" hint="What its metrics and root causes call it.">
        <input
          maxLength={64}
          autoComplete="off"
          value={set.dataset}
          disabled={disabled}
          onInput={(event) => change({ ...set, dataset: event.currentTarget.value })}
        />
      </Field>
    </div>
  );
}
