/** Small parts of every page. */

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

import { local, utc } from "../format";

export function Card(props: {
  title?: ComponentChildren;
  aside?: ComponentChildren;
  children: ComponentChildren;
  id?: string;
  class?: string;
}) {
  const heading = useId();
  return (
    <section class={`card ${props.class ?? ""}`} id={props.id} aria-labelledby={props.title ? heading : undefined}>
      {props.title && (
        <header>
          <h2 id={heading}>{props.title}</h2>
          {props.aside}
        </header>
      )}
      {props.children}
    </section>
  );
}

export function Heading(props: { title: string; text?: ComponentChildren; children?: ComponentChildren }) {
  return (
    <div class="heading">
      <div>
        <h1>{props.title}</h1>
        {props.text && <p>{props.text}</p>}
      </div>
      {props.children}
    </div>
  );
}

/** What to do where there is nothing to see yet. */
export function Empty(props: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{props.title}</h2>
      {props.children}
    </div>
  );
}

export function Note(props: { kind?: "error" | "warning" | "good"; children: ComponentChildren }) {
  return (
    <div class={`note ${props.kind ?? ""}`} role={props.kind === "error" ? "alert" : undefined}>
      {props.children}
    </div>
  );
}

/** What went wrong, where anything did. */
export function Failed(props: { error: string; retry?: () => void }) {
  if (!props.error) return null;
  return (
    <Note kind="error">
      {props.error}{" "}
      {props.retry && (
        <button type="button" class="button small" onClick={props.retry}>
          Try again
        </button>
      )}
    </Note>
  );
}

export function Loading(props: { what?: string }) {
  return (
    <p class="muted" role="status">
      Loading{props.what ? ` ${props.what}` : ""}…
    </p>
  );
}

/** A moment in local time, with UTC on hover. */
export function Time(props: { at: string | null | undefined }) {
  if (!props.at) return <>–</>;
  return (
    <time dateTime={props.at} title={utc(props.at)}>
      {local(props.at)}
    </time>
  );
}

export function Field(props: { label: string; hint?: ComponentChildren; children: ComponentChildren; class?: string }) {
  return (
    <label class={`field ${props.class ?? ""}`}>
      <span>{props.label}</span>
      {props.children}
      {props.hint && <span class="hint">{props.hint}</span>}
    </label>
  );
}

/** Figures with their names and units. */
export function Facts(props: { facts: ReadonlyArray<readonly [name: string, value: ComponentChildren, unit?: ComponentChildren]> }) {
  return (
    <dl class="facts">
      {props.facts.map(([name, value, unit]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {value}
            {unit && <small>{unit}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
