/** How the model is to answer, and the key for its server. */

import { Field } from "../../components/parts";

export interface Settings {
  temperature: string;
  max_tokens: string;
  seed: string;
}

interface Secret {
  value: string;
  kept: boolean;
  change: (value: string) => void;
  keep: (yes: boolean) => void;
}

const FIELDS = [
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.1, hint: "0 to 2; low is steady" },
  { name: "max_tokens", label: "Token limit", min: 1, max: undefined, step: 1, hint: "of the answer" },
  { name: "seed", label: "Seed", min: undefined, max: undefined, step: 1, hint: "the same seed, the same answer" },
] as const;

export function Options(props: { settings: Settings; change: (settings: Settings) => void; secret: Secret }) {
  const { settings, change, secret } = props;
  return (
    <details>
      <summary>Options</summary>
      <div class="play-options">
        {FIELDS.map((field) => (
          <Field key={field.name} label={field.label} hint={field.hint}>
            <input
              type="number"
              min={field.min}
              max={field.max}
              step={field.step}
              placeholder="the model's"
              value={settings[field.name]}
              onInput={(event) => change({ ...settings, [field.name]: event.currentTarget.value })}
            />
          </Field>
        ))}
        <Field
          class="play-wide"
          label="Upstream API key"
          hint="For model servers that ask for one: sent to Driftium, which sends it to the model server and stores it nowhere."
        >
          <input
            type="password"
            autoComplete="off"
            value={secret.value}
            onInput={(event) => secret.change(event.currentTarget.value)}
          />
        </Field>
        <label class="play-check play-wide">
          <input type="checkbox" checked={secret.kept} onChange={(event) => secret.keep(event.currentTarget.checked)} />
          Keep the key until this tab is closed
        </label>
      </div>
    </details>
  );
}

/** The ones that were set, as numbers. */
export function settingsOf(settings: Settings): Record<string, number> {
  const given = Object.entries(settings).filter(([, value]) => value !== "");
  return Object.fromEntries(given.map(([name, value]) => [name, Number(value)]));
}
