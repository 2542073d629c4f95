/**
 * `GET /v1/stream`: the stream for those who cannot open a socket. The query says what `hello` says; after that it
 * is a connection like any other, acknowledged by `POST /v1/ack`.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import * as Effect from "effect/Effect";
import { check } from "../../protocol/codec.ts";
import { helloSchema } from "../../protocol/frames.ts";
import type { HelloFrame } from "../../protocol/frames.ts";
import { InvalidInput, NotAccepting, TooMany } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { streamUserOf } from "./credential.ts";
import type { Call } from "./route.ts";
import { SseTransport } from "./sse-transport.ts";

export const sseCommentMs = 15_000;
const retryAfterMs = 1_000;

const streamHeaders = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store, no-transform",
  // Nginx holds a stream back without it.
  "x-accel-buffering": "no",
  "x-content-type-options": "nosniff",
};

const invalid = (path: string, message: string) => new InvalidInput({ code: "invalid", path, message });

/** `<epoch>:<offset>`, split at the last colon. */
function cursorOf(text: string, path: string): Effect.Effect<{ epoch: string; offset: number }, InvalidInput> {
  const match = /^(.+):(\d{1,16})$/.exec(text);
  const epoch = match?.[1];
  const offset = Number(match?.[2]);
  return epoch === undefined || !Number.isSafeInteger(offset)
    ? Effect.fail(invalid(path, "must be <epoch>:<offset>"))
    : Effect.succeed({ epoch, offset });
}

/** The `hello` that a request stands for. A browser that comes back says so in `Last-Event-ID`: it is the newer word. */
const helloOf = Effect.fnUntraced(function* (request: IncomingMessage, query: URLSearchParams) {
  const lastEventId = request.headers["last-event-id"];
  const byHeader = typeof lastEventId === "string" && lastEventId !== "";
  const cursorText = byHeader ? lastEventId : query.get("cursor");
  const hello: Record<string, unknown> = { type: "hello" };
  if (cursorText !== null) hello["cursor"] = yield* cursorOf(cursorText, byHeader ? "Last-Event-ID" : "cursor");
  for (const name of ["from", "device"]) {
    const value = query.get(name);
    if (value !== null) hello[name] = value;
  }
  const checked = check(helloSchema, hello);
  if (!checked.ok) return yield* invalid(checked.issue.path, checked.issue.message);
  const frame: HelloFrame = checked.value;
  return frame;
});

/** Comments until the response closes: a timer that waited on would hold what has gone. */
function commentOn(response: ServerResponse, transport: SseTransport, clock: Clock): void {
  const comment = (): void => {
    transport.comment();
    cancel = clock.after(sseCommentMs, comment);
  };
  let cancel = clock.after(sseCommentMs, comment);
  response.on("close", () => cancel());
}

/** Opens the stream, or fails before a byte of it is out. */
export const openSse = Effect.fnUntraced(function* ({ desk, request, response, query }: Call) {
  const hello = yield* helloOf(request, query);
  // Before a ticket is consumed: it should still hold when the server takes streams again.
  if (desk.runtime.state() !== "accepting") return yield* new NotAccepting({ retryAfterMs });
  const entered = desk.addresses.enter(request);
  if (entered instanceof TooMany) return yield* entered;
  response.once("close", entered);
  const principal = yield* streamUserOf(desk, request, query, "sse");
  const transport = new SseTransport(response);
  const connection = yield* desk.runtime.open({ transport, principal, remoteAddress: request.socket.remoteAddress });
  transport.attach(connection);
  response.on("close", () => transport.gone());
  if (response.destroyed) {
    transport.gone();
    return { kind: "taken" } as const;
  }
  response.writeHead(200, { ...streamHeaders, ...desk.origins.headers(request) });
  response.flushHeaders();
  commentOn(response, transport, desk.clock);
  connection.receive(hello);
  return { kind: "taken" } as const;
});
