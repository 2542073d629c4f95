/** A call of the contract: its method, its path, and what answers it. `router` finds it, `http` runs it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type * as Effect from "effect/Effect";
import type { Desk } from "./desk.ts";
import type { HttpError, Reply } from "./reply.ts";

export interface Call {
  readonly desk: Desk;
  readonly request: IncomingMessage;
  /** For streams only: everybody else answers with a reply. */
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** The decoded `:segments` of the path, in order. */
  readonly params: readonly string[];
}

export type Handler = (call: Call) => Effect.Effect<Reply, HttpError>;

export interface Route {
  readonly method: "GET" | "POST" | "PATCH" | "PUT";
  /** As in `/v1/runs/:runId/events`. */
  readonly path: string;
  readonly answer: Handler;
}
