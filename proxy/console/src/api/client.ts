/** Requests to the control plane, typed by its OpenAPI description. */

import type { components, paths } from "./schema";
import { askForToken, token } from "./token";

export type Schemas = components["schemas"];
type Method = "get" | "post" | "put" | "delete";
type With<M extends Method> = { [P in keyof paths]: paths[P] extends { [K in M]: object } ? P : never }[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends { [K in M]: infer O } ? O : never;
type Json<R> = R extends { content: { "application/json": infer Body } } ? Body : never;
type Responses<O> = O extends { responses: infer R } ? R : never;
type Succeeded<R> = Json<{ [S in keyof R]: S extends 200 | 201 | 202 ? R[S] : never }[keyof R]>;

/** What a route answers with when it succeeds. */
export type Answer<P extends keyof paths, M extends Method = "get"> = Succeeded<Responses<Operation<P, M>>>;

export type Query = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Options {
  query?: Query;
  /** Values of {names} in the path. */
  path?: Readonly<Record<string, string>>;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** An answer that refuses, in the server's own words. Status 0: the server did not answer at all. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export function get<P extends With<"get">>(path: P, options?: Options): Promise<Answer<P>> {
  return json("GET", path, options) as Promise<Answer<P>>;
}

export function post<P extends With<"post">>(path: P, options?: Options): Promise<Answer<P, "post">> {
  return json("POST", path, options) as Promise<Answer<P, "post">>;
}

export function remove<P extends With<"delete">>(path: P, options?: Options): Promise<void> {
  return json("DELETE", path, options) as Promise<void>;
}

export function url(path: string, { path: names = {}, query = {} }: Options = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name] ?? ""));
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return search.size ? `${filled}?${search}` : filled;
}

/** The response, once its status is good. Asks for the token where one is missing, and tries again with it. */
export async function send(method: string, path: string, options: Options = {}): Promise<Response> {
  for (;;) {
    const headers = new Headers(options.headers);
    const admin = token();
    if (admin) headers.set("authorization", `Bearer ${admin}`);
    let body: BodyInit | undefined;
    if (options.body instanceof Blob || options.body instanceof FormData) body = options.body;
    else if (options.body !== undefined) {
      headers.set("content-type", "application/json");
      body = JSON.stringify(options.body);
    }
    let response: Response;
    try {
      response = await fetch(url(path, options), { method, headers, body, signal: options.signal });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new Refused(0, `Driftium does not answer at ${location.origin}. Is it still running?`);
    }
    if (wantsToken(response)) {
      // The right one may have come while this request was under way.
      if (token() === admin) await Promise.race([askForToken(), left(options.signal)]);
      continue;
    }
    if (!response.ok) throw new Refused(response.status, await detail(response));
    return response;
  }
}

/** Rejects when the request is no longer wanted. */
function left(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));
}

/** Driftium's own 401: a model server that refuses its key answers with one too. */
function wantsToken({ status, headers }: Response): boolean {
  const type = headers.get("content-type") ?? "";
  return status === 401 && headers.has("www-authenticate") && type.startsWith("application/problem+json");
}

async function json(method: string, path: string, options?: Options): Promise<unknown> {
  const response = await send(method, path, options);
  return response.status === 204 ? undefined : response.json();
}

async function detail(response: Response): Promise<string> {
  const text = await response.text();
  return said(text) ?? `Driftium answered with status ${response.status}.`;
}

/** The sentence in a refusal's body: a problem's detail, or the message of an OpenAI error. */
export function said(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as { detail?: unknown; error?: { message?: unknown } };
    const words = body.detail ?? body.error?.message;
    return typeof words === "string" ? words : undefined;
  } catch {
    return undefined;
  }
}
