/** A file by dropping it, or by choosing it: the input is a real one, so that the keyboard reaches it. */

import { useId, useRef, useState } from "preact/hooks";

import { bytes } from "../../format";
import { visible } from "./visible";

const ACCEPTED = ".csv,.tsv,.txt,.gz,.parquet,text/csv,application/gzip,application/vnd.apache.parquet";

export function DropZone(props: {
  label: string;
  hint: string;
  file: File | null;
  /** The files that were given; several where several were dropped at once. */
  take: (files: File[]) => void;
  clear?: () => void;
  disabled?: boolean;
}) {
  const { file, disabled } = props;
  const [over, hover] = useState(false);
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const take = (files: FileList | null | undefined) => {
    if (files?.length && !disabled) props.take([...files]);
    // So that the same file, mended meanwhile, can be chosen again.
    if (input.current) input.current.value = "";
  };
  return (
    <div
      class={`drop ${over ? "over" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        hover(true);
      }}
      onDragLeave={() => hover(false)}
      onDrop={(event) => {
        event.preventDefault();
        hover(false);
        take(event.dataTransfer?.files);
      }}
    >
      <p>
        <strong id={`${id}-label`}>{props.label}</strong>
        <br />
        {file ? (
          <span class="file">
            {visible(file.name)} <span class="muted">{bytes(file.size)}</span>
          </span>
        ) : (
          <span class="muted small" id={`${id}-hint`}>
            {props.hint}
          </span>
        )}
      </p>
      <span class="row">
        <span class="choose">
          <input
            ref={input}
            id={id}
            type="file"
            accept={ACCEPTED}
            disabled={disabled}
            aria-labelledby={`${id}-label ${id}-button`}
            aria-describedby={file ? undefined : `${id}-hint`}
            onChange={(event) => take(event.currentTarget.files)}
          />
          <label class="button" for={id} id={`${id}-button`}>
            {file ? "Choose another" : "Choose a file"}
          </label>
        </span>
        {file && props.clear && (
          <button type="button" class="button quiet" disabled={disabled} onClick={props.clear}>
            Take away
          </button>
        )}
      </span>
    </div>
  );
}
