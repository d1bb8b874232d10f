// The public API, with the types of its OpenAPI document. The console uses nothing else.
import type { components, paths } from "../generated/openapi";
import { noteAnswered, noteLost } from "./connection";
import { refuseKey, session } from "./session";

/** Longer than the gateway works on a call by default. */
const PATIENCE_MS = 90_000;

export type Schemas = components["schemas"];

type Method = "get" | "post" | "put" | "delete";
type PathWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends { [K in M]: object } ? P : never;
}[keyof paths];
type Json<R> = R extends { content: { "application/json": infer Body } } ? Body : never;
type Success<O> = O extends { responses: infer R }
  ? { [S in keyof R & (200 | 201 | 202)]: Json<R[S]> }[keyof R & (200 | 201 | 202)]
  : never;
/** What a call of an operation answers with success. */
export type Answer<M extends Method, P extends PathWith<M>> = Success<paths[P][M]>;
type Parameters<O, Where extends string> = O extends {
  parameters: { [K in Where]?: infer Values };
}
  ? Values
  : never;
type Body<O> = O extends { requestBody: { content: { "application/json": infer B } } } ? B : never;

export interface Options<O> {
  /** Values for the `{name}` parts of the path. */
  path?: Parameters<O, "path">;
  query?: Parameters<O, "query">;
  body?: Body<O>;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

interface AnyOptions {
  path?: Record<string, string>;
  query?: Record<string, unknown>;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** The API refused a call, or did not answer. `type` is `error_type` of the API's answer. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    message: string,
    /** HTTP status; 0: there was no answer. */
    readonly status: number,
    readonly type: string,
    readonly field: string | null = null,
    readonly requestId = "",
  ) {
    super(message);
  }

  get isOffline(): boolean {
    return this.status === 0;
  }
}

export const get = <P extends PathWith<"get">>(path: P, options: Options<paths[P]["get"]> = {}) =>
  call<Answer<"get", P>>("GET", path, options as AnyOptions);
export const post = <P extends PathWith<"post">>(
  path: P,
  options: Options<paths[P]["post"]> = {},
) => call<Answer<"post", P>>("POST", path, options as AnyOptions);
export const put = <P extends PathWith<"put">>(path: P, options: Options<paths[P]["put"]> = {}) =>
  call<Answer<"put", P>>("PUT", path, options as AnyOptions);

/** The URL of a path of the API, wherever the console is served. */
export function urlOf(path: string, query: Record<string, unknown> = {}): URL {
  const url = new URL(`.${path}`, document.baseURI);
  url.hash = "";
  url.search = "";
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") {
      url.searchParams.set(name, String(value));
    }
  }
  return url;
}

/** Call the API with a key before it is kept. Throws ApiError, with status 401 for a wrong key. */
export const tryKey = (key: string) => call("GET", "/v1/models", {}, key);

async function call<T>(
  method: string,
  path: string,
  options: AnyOptions,
  key = session.value.state === "present" ? session.value.key : "",
): Promise<T> {
  const headers: Record<string, string> = { Authorization: `Bearer ${key}`, ...options.headers };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const parts = options.path ?? {};
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(parts[name] ?? ""));
  const body = options.body === undefined ? null : JSON.stringify(options.body);
  const init = { method, headers, body };
  const [response, answer] = await send(urlOf(filled, options.query), init, options.signal);
  if (response.status === 401) refuseKey(key);
  if (!response.ok) throw errorOf(response, answer);
  return answer as T;
}

/** Send a request and read its answer. No whole answer in time is like a lost connection. */
async function send(
  url: URL,
  init: RequestInit,
  stop?: AbortSignal,
): Promise<[Response, unknown]> {
  const late = new AbortController();
  const timer = window.setTimeout(() => late.abort(), PATIENCE_MS);
  const signal = AbortSignal.any([late.signal, ...(stop ? [stop] : [])]);
  try {
    const response = await fetch(url, { ...init, signal });
    const answer: unknown = await response.json().catch((error: unknown) => {
      if (response.ok) throw error;
      return null; // an error of something between this page and the API
    });
    noteAnswered();
    return [response, answer];
  } catch (error) {
    if (stop?.aborted) throw error;
    noteLost();
    throw new ApiError("", 0, "offline");
  } finally {
    window.clearTimeout(timer);
  }
}

function errorOf(response: Response, body: unknown): ApiError {
  const refusal = (body ?? {}) as Partial<Schemas["Refusal"]>;
  return new ApiError(
    refusal.detail ?? `HTTP ${response.status}`,
    response.status,
    refusal.error_type ?? "",
    refusal.field ?? null,
    refusal.request_id ?? response.headers.get("X-Request-Id") ?? "",
  );
}
