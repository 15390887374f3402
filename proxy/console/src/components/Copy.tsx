/** Copy to the clipboard, and say so. */

import { useEffect, useState } from "preact/hooks";

export function Copy(props: { text: string | (() => string | Promise<string>); label?: string; what?: string }) {
  const [state, set] = useState<"" | "copied" | "failed">("");
  useEffect(() => {
    if (!state) return;
    const timer = setTimeout(() => set(""), 2000);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = async () => {
    try {
      await write(typeof props.text === "string" ? props.text : await props.text());
      set("copied");
    } catch {
      set("failed");
    }
  };
  const label = props.label ?? "Copy";
  return (
    <button type="button" class="button small" onClick={() => void copy()} aria-label={props.what ? `${label} ${props.what}` : undefined}>
      <span aria-live="polite">{state === "copied" ? "Copied" : state === "failed" ? "Select and copy by hand" : label}</span>
    </button>
  );
}

/** The clipboard's API exists on secure origins and loopback only; the old way works on the others. */
async function write(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("not copied");
}

/** Something to paste, with a button that copies it. */
export function Code(props: { text: string; what: string }) {
  return (
    <div class="code">
      <pre role="group" aria-label={props.what}>
        <code>{props.text}</code>
      </pre>
      <Copy text={props.text} what={props.what} />
    </div>
  );
}
