/**
 * The built server as a stranger meets it who has nothing but the contract: raw calls, raw sockets, and what every
 * refusal must look like.
 */
import { apiKeys, BuiltServer, type BuiltServerOptions } from "./built-server.ts";
import type { HttpAnswer, HttpCall } from "./http-reader.ts";
import { call } from "./http-reader.ts";

export const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** Of the contract: an answer about bad input stays below. */
const maxErrorBytes = 2_048;

export interface Started {
  readonly runId: string;
  readonly fence: number;
  readonly seq: number;
  readonly offset: number;
  readonly epoch: string;
}

export const thinking = { type: "agent_thinking", data: { thought: "hm" } };
export const executing = (toolCallId: string, attempt?: number) => ({
  type: "tool_executing",
  data: { toolCallId, toolName: "search", ...(attempt && { attempt }) },
});
export const completed = (toolCallId: string, status = "ok") => ({
  type: "tool_completed",
  data: { toolCallId, status },
});
export const done = { type: "agent_completed", data: { output: "ok" } };

export class BlackBox implements AsyncDisposable {
  readonly server: BuiltServer;

  private constructor(server: BuiltServer) {
    this.server = server;
  }

  static async start(options?: BuiltServerOptions): Promise<BlackBox> {
    return new BlackBox(await BuiltServer.start(options));
  }

  get url(): string {
    return this.server.url;
  }

  /** `path` begins with the method, as in `GET /v1/runs`. */
  call(path: string, options: HttpCall = {}): Promise<HttpAnswer> {
    return call(this.url, path, options);
  }

  /** `POST /v1/…` as a publisher. */
  publish(path: string, body: unknown, as: string = apiKeys.both): Promise<HttpAnswer> {
    return this.call(`POST /v1/${path}`, { as, body });
  }

  async start(body: Readonly<Record<string, unknown>> = {}): Promise<Started> {
    const made = await this.publish("runs", { userId: "alice", agent: "tester", ...body });
    if (made.status !== 201) throw new Error(`the run was not made: ${made.status} ${made.text}`);
    return made.body;
  }

  say(run: Started, events: readonly unknown[], more: Readonly<Record<string, unknown>> = {}): Promise<HttpAnswer> {
    return this.publish(`runs/${run.runId}/events`, { fence: run.fence, events, ...more });
  }

  /** Of the run, as an admin reads it. */
  async eventsOf({ runId }: Started): Promise<HttpAnswer["body"]> {
    return (await this.call(`GET /v1/runs/${runId}/events`, { as: apiKeys.admin })).body.events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

export interface Refused {
  readonly status: number;
  readonly code: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** What an error answer says. Fails when it has not the contract's one shape, or is not small. */
export function refused({ status, text, body, headers }: HttpAnswer): Refused {
  const wrong = (what: string) => new Error(`${what}: ${status} ${text.slice(0, 500)}`);
  if (status < 400 || body?.error === undefined || Object.keys(body).length !== 1) throw wrong("no error answer");
  const { code, message, details } = body.error;
  if (typeof code !== "string" || typeof message !== "string" || message === "") throw wrong("no code and message");
  if (!headers.get("content-type")?.startsWith("application/json")) throw wrong("an error that is no JSON");
  if (Buffer.byteLength(text) > maxErrorBytes) throw wrong(`an error of more than ${maxErrorBytes} bytes`);
  return { status, code, ...(details !== undefined && { details }) };
}
