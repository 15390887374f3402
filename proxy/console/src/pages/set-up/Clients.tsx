/** What to paste into a client so that its traffic passes here. */

import { useState } from "preact/hooks";

import { Code } from "../../components/Copy";

function snippets(base: string, model: string): ReadonlyArray<readonly [name: string, text: string]> {
  return [
    [
      "Python",
      `import openai

client = openai.OpenAI(base_url="${base}", api_key="anything")
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "How do I change a tyre?"}],
)
print(answer.choices[0].message.content)`,
    ],
    [
      "curl",
      `curl ${base}/chat/completions -H 'content-type: application/json' \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "How do I change a tyre?"}]}'`,
    ],
    ["Environment", `export OPENAI_BASE_URL=${base}
export OPENAI_API_KEY=anything`],
    [
      "JavaScript",
      `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${base}", apiKey: "anything" });
const answer = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "How do I change a tyre?" }],
});
console.log(answer.choices[0].message.content);`,
    ],
    [
      "LangChain",
      `from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="${model}", base_url="${base}", api_key="anything")
print(model.invoke("How do I change a tyre?").content)`,
    ],
    ["Ollama", `OLLAMA_HOST=${location.origin} ollama run ${model}`],
  ];
}

export function Clients(props: { model: string }) {
  const [chosen, choose] = useState(0);
  const all = snippets(`${location.origin}/v1`, props.model);
  return (
    <div class="stack">
      <div class="row" role="group" aria-label="Client">
        {all.map(([name], i) => (
          <button
            key={name}
            type="button"
            class={`button small ${i === chosen ? "primary" : ""}`}
            aria-pressed={i === chosen}
            onClick={() => choose(i)}
          >
            {name}
          </button>
        ))}
      </div>
      <Code text={all[chosen]![1]} what={`${all[chosen]![0]} example`} />
    </div>
  );
}
