/** What to ask, and whom. */

import { useRef, useState } from "preact/hooks";

import { Field } from "../../components/parts";
import type { Question } from "./ask";
import { useDraft, useSecret } from "./draft";
import { Options, type Settings, settingsOf } from "./Options";

export function Form(props: {
  models: readonly string[];
  monitor: string;
  busy: boolean;
  ask: (questions: readonly Question[]) => void;
  stop: () => void;
}) {
  const { models, monitor, busy } = props;
  const form = useRef<HTMLFormElement>(null);
  const [prompt, setPrompt] = useDraft("prompt");
  const [system, setSystem] = useDraft("system");
  const [model, setModel] = useDraft("model");
  const [second, setSecond] = useDraft("second");
  const [secondModel, setSecondModel] = useDraft("second.model");
  const [secondSystem, setSecondSystem] = useDraft("second.system");
  const [settings, setSettings] = useState<Settings>({ temperature: "", max_tokens: "", seed: "" });
  const key = useSecret("key");

  const submit = () => {
    if (busy || !prompt.trim()) return;
    const question = { prompt, system, model, monitor, options: settingsOf(settings), key: key.value.trim() };
    const other = { ...question, model: secondModel, system: secondSystem };
    props.ask(second ? [question, other] : [question]);
  };

  return (
    <form
      class="play-form"
      ref={form}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      onKeyDown={(event) => {
        // Like a click on Ask: what the browser finds wrong with a field is said first.
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.current?.requestSubmit();
      }}
    >
      <Field label="Prompt" hint="Ctrl + Enter asks.">
        <textarea required rows={5} value={prompt} onInput={(event) => setPrompt(event.currentTarget.value)} />
      </Field>
      <Who name="" model={model} setModel={setModel} system={system} setSystem={setSystem} models={models} />
      <label class="play-check">
        <input type="checkbox" checked={Boolean(second)} onChange={(event) => setSecond(event.currentTarget.checked ? "1" : "")} />
        Beside it: the same prompt to a second model or system prompt
      </label>
      {second && (
        <fieldset>
          <legend>Beside it</legend>
          <Who
            name="Second "
            model={secondModel}
            setModel={setSecondModel}
            system={secondSystem}
            setSystem={setSecondSystem}
            models={models}
          />
        </fieldset>
      )}
      <Options settings={settings} change={setSettings} secret={key} />
      <div class="row">
        <button type="submit" class="button primary" disabled={busy}>
          {busy ? "Answering…" : "Ask"}
        </button>
        {busy && (
          <button type="button" class="button" onClick={props.stop}>
            Stop
          </button>
        )}
      </div>
    </form>
  );
}

function Who(props: {
  name: string;
  model: string;
  setModel: (model: string) => void;
  system: string;
  setSystem: (system: string) => void;
  models: readonly string[];
}) {
  const { name, models } = props;
  const list = `${name}models`.replace(" ", "-");
  return (
    <>
      <Field label={name ? `${name}model` : "Model"}>
        <input
          type="text"
          list={list}
          placeholder={models[0] ?? "the server's default"}
          autoComplete="off"
          spellcheck={false}
          value={props.model}
          onInput={(event) => props.setModel(event.currentTarget.value)}
        />
        <datalist id={list}>
          {models.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      </Field>
      <Field label={name ? `${name}system prompt` : "System prompt"}>
        <textarea
          class="play-system"
          rows={2}
          placeholder="none"
          value={props.system}
          onInput={(event) => props.setSystem(event.currentTarget.value)}
        />
      </Field>
    </>
  );
}
