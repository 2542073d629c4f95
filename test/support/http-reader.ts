/** Reads of the HTTP contract as any program would make them: one call, or a list page by page. */
import type { StreamEvent } from "../../protocol/event.ts";
import type { EventsAnswer } from "../../protocol/http.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // Tests look into answers as a stranger would.
  readonly body: ReturnType<typeof JSON.parse>;
}

export interface HttpCall {
  /** The bearer credential: a key or a token. */
  readonly as?: string;
  /** Text and bytes as they are, all else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** How long the answer may take. Default: as long as it likes. */
  readonly timeoutMs?: number;
}

function parsed(text: string): HttpAnswer["body"] {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One call; `path` begins with the method, as in `GET /v1/runs`. */
export async function call(
  url: string,
  path: string,
  { as, body, headers, timeoutMs }: HttpCall = {},
): Promise<HttpAnswer> {
  const [method = "GET", target = "/"] = path.split(" ");
  const response = await fetch(`${url}${target}`, {
    method,
    redirect: "manual",
    ...(timeoutMs !== undefined && { signal: AbortSignal.timeout(timeoutMs) }),
    headers: { ...(as !== undefined && { authorization: `Bearer ${as}` }), ...headers },
    ...(body !== undefined && {
      body: typeof body === "string" || body instanceof Uint8Array ? (body as BodyInit) : JSON.stringify(body),
    }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parsed(text) };
}

/** All events of a list, read in pages of `limit`. */
export async function readAll(url: string, path: string, as: string, limit = 100): Promise<StreamEvent[]> {
  const all: StreamEvent[] = [];
  const mark = path.includes("?") ? "&" : "?";
  for (let after: number | null = 0; after !== null; ) {
    const { status, body, text } = await call(url, `GET ${path}${mark}after=${after}&limit=${limit}`, { as });
    if (status !== 200) throw new Error(`${path} answered ${status} ${text}`);
    const page = body as EventsAnswer;
    all.push(...page.events);
    after = page.next;
  }
  return all;
}
