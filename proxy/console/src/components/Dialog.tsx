/** A dialog of the browser's own: it holds the focus, and Escape closes it. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

export function Dialog(props: { title: string; onClose?: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    dialog.current?.querySelector<HTMLElement>("input, textarea, select, .primary")?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose?.();
      }}
      // A second Escape closes it whatever the page says: one that must be answered opens again.
      onClose={() => (props.onClose ? props.onClose() : dialog.current?.showModal())}
    >
      <div class="stack">
        <div class="row spread">
          <h2 id={heading}>{props.title}</h2>
          {props.onClose && (
            <button type="button" class="button small" onClick={props.onClose}>
              Close
            </button>
          )}
        </div>
        {props.children}
      </div>
    </dialog>
  );
}
