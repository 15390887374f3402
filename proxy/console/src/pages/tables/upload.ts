/** Send a file and be told how much of it has gone: what fetch cannot tell. */

import { Refused, said, url, type Query } from "../../api/client";
import { askForToken, token } from "../../api/token";

export interface Sending {
  query?: Query;
  /** Bytes that have gone, and all there are. */
  progress: (sent: number, all: number) => void;
  signal: AbortSignal;
}

/** The answer's JSON. Raises Refused with the server's words, and the signal's reason where it was aborted. */
export async function upload(method: "POST" | "PUT", path: string, form: FormData, sending: Sending): Promise<unknown> {
  for (;;) {
    const { status, text } = await once(method, url(path, { query: sending.query }), form, sending);
    if (status === 401) {
      await askForToken();
      continue;
    }
    if (status < 200 || status >= 300) throw new Refused(status, said(text) ?? `Driftium answered with status ${status}.`);
    return JSON.parse(text);
  }
}

function once(method: string, address: string, form: FormData, { progress, signal }: Sending) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, address);
    const admin = token();
    if (admin) request.setRequestHeader("authorization", `Bearer ${admin}`);
    request.upload.onprogress = (event) => progress(event.loaded, event.total);
    request.onload = () => resolve({ status: request.status, text: request.responseText });
    request.onerror = () =>
      reject(
        new Refused(
          0,
          "The connection broke while the file was sent. Either Driftium has stopped, or the file was changed after it " +
            "was chosen (choose it again), or it is larger than Driftium takes (tabular.max_bytes).",
        ),
      );
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    signal.throwIfAborted();
    request.send(form);
  });
}
