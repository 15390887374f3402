/** A report as Markdown, made by the server so that no words of users take effect in it. */

import { send } from "../../api/client";

export function markdownPath(id: string): string {
  return `/drift/rca/runs/${encodeURIComponent(id)}`;
}

export async function asMarkdown(id: string): Promise<string> {
  const response = await send("GET", markdownPath(id), { headers: { accept: "text/markdown" } });
  return response.text();
}
