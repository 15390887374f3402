/** Keep something as a file of the person's. */

import { send } from "../../api/client";

export function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The download has taken the address once this task is over.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Fetch with the token, which a plain link could not send, and save. Raises Refused. */
export async function download(path: string, name: string, accept = "*/*"): Promise<void> {
  const response = await send("GET", path, { headers: { accept } });
  save(await response.blob(), name);
}
