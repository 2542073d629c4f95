/** A runtime over the in-memory log and a hand-moved clock, and connections whose frames can be read. */
import * as Effect from "effect/Effect";
import { decodePublish } from "../../protocol/codec.ts";
import type { ClientFrame, ServerFrame } from "../../protocol/frames.ts";
import type { StartRunBody } from "../../protocol/http.ts";
import { asRunId, asTenantId, asUserId, defaultTenant } from "../../protocol/ids.ts";
import { decodeServerFrame } from "../../protocol/server-frame.ts";
import type { PublisherPrincipal, UserPrincipal } from "../../src/auth/principal.ts";
import { Unauthenticated } from "../../src/errors.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import type { RuntimeLayerOptions } from "../../src/runtime/layer.ts";
import { makeRuntime } from "../../src/runtime/make-runtime.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import type { Connection, OpenConnection } from "../../src/runtime/runtime.ts";
import type { BroadcastAuthority, EncodedFrame, Transport } from "../../src/runtime/transport.ts";
import type { ManualClock } from "../../src/testing/manual-clock.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";

export const publisher: PublisherPrincipal = {
  kind: "publisher",
  name: "test",
  tenants: "*",
  rights: ["publish", "admin"],
};

/** Tokens of the tests are `user@tenant` or `user`, and live for an hour of the clock. */
export function userOf(token: string, nowMs: number): UserPrincipal {
  const [user = "", tenant = defaultTenant as string] = token.split("@");
  if (user === "" || user === "bad") throw new Unauthenticated({ message: "bad token" });
  return { kind: "user", userId: asUserId(user), tenantId: asTenantId(tenant), expiresAtMs: nowMs + 3_600_000 };
}

/** A transport that keeps what it is given. */
export class RecordingTransport implements Transport {
  readonly kind: Transport["kind"];
  /** All but what `authStates` keeps. */
  readonly frames: ServerFrame[] = [];
  readonly raw: EncodedFrame[] = [];
  /** What `status` said of the credential: beside the stream, and apart from it. */
  readonly authStates: string[] = [];
  bufferedBytes = 0;
  pings = 0;
  gone = false;
  /** Whether the other side answers pings, as every WebSocket does by itself. */
  answersPings = true;
  onPing = (): void => {};
  ended: { code: number; reason: string } | undefined;

  constructor(kind: Transport["kind"] = "websocket") {
    this.kind = kind;
  }

  write(_authority: BroadcastAuthority, frame: EncodedFrame): boolean {
    if (this.gone || this.ended) return false;
    const decoded = decodeServerFrame(new TextDecoder().decode(frame.bytes));
    if (!decoded.ok || decoded.value === undefined) throw new Error("the server sent a frame that no client can read");
    if (decoded.value.type === "status" && decoded.value.channel === "auth") {
      this.authStates.push(decoded.value.state ?? "");
      return true;
    }
    this.frames.push(decoded.value);
    this.raw.push(frame);
    return true;
  }

  close(_authority: BroadcastAuthority, code: number, reason: string): void {
    this.ended ??= { code, reason };
  }

  ping(): void {
    this.pings += 1;
    if (this.answersPings && !this.gone) this.onPing();
  }
}

export interface TestConnection {
  readonly connection: Connection;
  readonly transport: RecordingTransport;
  readonly frames: ServerFrame[];
  say(frame: ClientFrame): void;
  /** Frames of one type, in order. */
  of<Type extends ServerFrame["type"]>(type: Type): Extract<ServerFrame, { type: Type }>[];
  /** All events that came, in order. */
  events(): readonly {
    readonly offset: number;
    readonly type: string;
    readonly data: unknown;
    readonly runId?: string;
  }[];
}

export interface RuntimeUnderTest {
  readonly clock: ManualClock;
  readonly log: EventLog;
  readonly parts: ReturnType<typeof makeRuntime>;
  readonly call: <Value, Failure>(effect: Effect.Effect<Value, Failure>) => Promise<Value>;
  readonly start: (
    body?: Partial<StartRunBody>,
  ) => Promise<{ runId: string; fence: number; seq: number; offset: number; epoch: string }>;
  readonly publish: (
    runId: string,
    fence: number | string,
    events: readonly unknown[],
    ifSeq?: number,
  ) => Promise<{ seq: number; offset: number; duplicates: number; repaired?: number; quarantined?: number }>;
  readonly connect: (
    token: string,
    hello?: Partial<Extract<ClientFrame, { type: "hello" }>>,
  ) => Promise<TestConnection>;
  /** A connection that has said nothing yet. */
  readonly open: (
    from?: Partial<Omit<OpenConnection, "transport">> & { readonly kind?: Transport["kind"] },
  ) => Promise<TestConnection>;
  /** Lets everything that is under way come to rest. */
  readonly settle: () => Promise<void>;
}

export async function runtimeUnderTest({
  onOrphan,
  ...options
}: Partial<RuntimeLayerOptions> & Pick<Partial<RuntimeOptions>, "log"> = {}): Promise<RuntimeUnderTest> {
  const clock = (options.clock as ManualClock | undefined) ?? manualClock();
  const log = options.log ?? memoryLog();
  const authenticate = options.authenticate ?? (async (token: string) => userOf(token, clock.now()));
  const parts = makeRuntime({ ...options, log, clock, authenticate });
  await parts.prepare();
  await parts.start(onOrphan);
  const { service } = parts;
  const call = <Value, Failure>(effect: Effect.Effect<Value, Failure>): Promise<Value> => Effect.runPromise(effect);
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  const open: RuntimeUnderTest["open"] = async ({ kind, ...from } = {}) => {
    const transport = new RecordingTransport(kind);
    const connection = await call(service.open({ transport, ...from }));
    transport.onPing = () => connection.heard();
    return {
      connection,
      transport,
      frames: transport.frames,
      say: (frame) => connection.receive(frame),
      of: (type) => transport.frames.filter((frame) => frame.type === type) as never,
      events: () => transport.frames.flatMap((frame) => (frame.type === "events" ? frame.events : [])),
    };
  };
  return {
    clock,
    log,
    open,
    parts,
    call,
    settle,
    start: async (body = {}) =>
      (await call(service.startRun(publisher, { userId: "alice", agent: "tester", ...body }))).answer,
    publish: async (runId, fence, events, ifSeq) => {
      const decoded = decodePublish(JSON.stringify({ fence, events, ifSeq }));
      if (!decoded.ok) throw new Error(`${decoded.issue.path} ${decoded.issue.message}`);
      return call(service.publish(publisher, undefined, asRunId(runId), decoded.value));
    },
    connect: async (token, hello = {}) => {
      const connection = await open();
      connection.say({ type: "hello", token, ...hello });
      await settle();
      return connection;
    },
  };
}
