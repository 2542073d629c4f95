/**
 * Non-interference (L8): what somebody sees of Runcast is the same whatever others do. A world is one runtime with two
 * parties, us and them; we do the same in every world, they do something else. What we can see, byte for byte, is
 * written down: frames and ends of our connections, answers to our calls, each with the step at which it came.
 *
 * Both parties' questions to the log wait in queues of their own, and each party's script says when its own are
 * answered and in what order: so they interleave in every way, and ours go the same way in every world. Time is common.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import * as Effect from "effect/Effect";
import { check, decodeClientFrame, decodePublish } from "../../protocol/codec.ts";
import { cancelSchema, noticeSchema, resolveApprovalSchema, startRunSchema } from "../../protocol/http.ts";
import { asConnectionId, asRunId, asTenantId, asUserId, streamKey } from "../../protocol/ids.ts";
import type { StreamKey, TenantId, UserId } from "../../protocol/ids.ts";
import type { PublisherPrincipal, UserPrincipal } from "../../src/auth/principal.ts";
import type { ExpectedError } from "../../src/errors.ts";
import { Unauthenticated } from "../../src/errors.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { errorBody, refusalOf } from "../../src/refusal.ts";
import type { RuntimeParts } from "../../src/runtime/runtime-parts.ts";
import { makeRuntime } from "../../src/runtime/make-runtime.ts";
import type { Connection } from "../../src/runtime/runtime.ts";
import type { ManualClock } from "../../src/testing/manual-clock.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { RecordingTransport } from "../../test/support/runtime-under-test.ts";

export type Side = "us" | "them";
/** Two tenants with users and runs of the same names, or two users of one tenant. */
export type Setting = "tenants" | "users";

export interface Party {
  readonly side: Side;
  readonly tenantId: TenantId;
  readonly userId: UserId;
  readonly runIds: readonly string[];
}

export function partiesOf(setting: Setting): Readonly<Record<Side, Party>> {
  const party = (side: Side, tenant: string, user: string, runs: string): Party => ({
    ...{ side, tenantId: asTenantId(tenant), userId: asUserId(user) },
    runIds: [0, 1].map((which) => `${runs}-${which}`),
  });
  return setting === "tenants"
    ? { us: party("us", "acme", "ann", "r"), them: party("them", "a", "ann", "r") }
    : { us: party("us", "default", "ann", "ann"), them: party("them", "default", "bob", "bob") };
}

const settleTurns = 6;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function settled(): Promise<void> {
  for (let time = 0; time < settleTurns; time += 1) await turn();
}

interface Question {
  readonly isWrite: boolean;
  readonly go: () => void;
}

/** The log, asked by two parties. */
class AskedLog {
  readonly asker = new AsyncLocalStorage<Side>();
  private readonly waiting: Record<Side, Question[]> = { us: [], them: [] };
  private readonly streams: ReadonlyMap<StreamKey, Side>;
  isOpen = false;

  constructor(parties: Readonly<Record<Side, Party>>) {
    this.streams = new Map(
      Object.values(parties).map(({ side, tenantId, userId }) => [streamKey(tenantId, userId), side]),
    );
  }

  over(log: EventLog): EventLog {
    const asked =
      <Args extends readonly unknown[], Value>(isWrite: boolean, call: (...args: Args) => Promise<Value>) =>
      async (...args: Args): Promise<Value> => {
        const side = this.sideOf(args) ?? this.asker.getStore();
        // The house's own questions: sweeps, retention. (Cursors are saved for all together, and wait for nobody: so does
        // the ledger, which counts them. When they are written is the house's doing, as time is.)
        if (side !== undefined && !this.isOpen)
          await new Promise<void>((go) => this.waiting[side].push({ isWrite, go }));
        return call(...args);
      };
    return {
      ...log,
      append: asked(true, log.append),
      claim: asked(true, log.claim),
      quarantine: asked(true, log.quarantine),
      position: asked(false, log.position),
      read: asked(false, log.read),
      living: asked(false, log.living),
      run: asked(false, log.run),
      runs: asked(false, log.runs),
      readRun: asked(false, log.readRun),
      knownKeys: asked(false, log.knownKeys),
      approval: asked(false, log.approval),
      cursor: asked(false, log.cursor),
    };
  }

  /** Answers one question of a party: any read, or its oldest write. */
  async answerOne(side: Side, chance: number): Promise<void> {
    const queue = this.waiting[side];
    const oldestWrite = queue.findIndex(({ isWrite }) => isWrite);
    const may = [...queue.keys()].filter((at) => !queue[at]?.isWrite || at === oldestWrite);
    const at = may[chance % Math.max(1, may.length)];
    if (at === undefined) return;
    queue.splice(at, 1)[0]?.go();
    await settled();
  }

  /** By the stream in the question; who names a run only is known by who asked. */
  private sideOf(args: readonly unknown[]): Side | undefined {
    for (const arg of args) {
      const stream = typeof arg === "string" ? arg : (Object(arg) as { stream?: unknown }).stream;
      const side = this.streams.get(String(stream) as StreamKey);
      if (side) return side;
    }
    return undefined;
  }
}

export class World {
  readonly setting: Setting;
  readonly parties: Readonly<Record<Side, Party>>;
  readonly clock: ManualClock;
  /** By what it was: one list for each call and each connection of ours. */
  readonly seen = new Map<string, string[]>();
  /** Events that came to us, questions about what is theirs and was there. */
  readonly reached = { events: 0, guesses: 0 };
  private readonly log: AskedLog;
  private readonly truth: EventLog;
  private readonly parts: RuntimeParts;
  private readonly lines = new Map<
    string,
    { readonly transport: RecordingTransport; readonly connection: Connection }
  >();
  private step = 0;
  private calls = 0;

  private constructor(setting: Setting) {
    this.setting = setting;
    this.parties = partiesOf(setting);
    const clock = manualClock();
    // The same at the same time, however often it was asked: chance is nobody's doing.
    this.clock = Object.assign(Object.create(clock) as ManualClock, {
      random: (count: number) =>
        Uint8Array.from({ length: count }, (_, at) => ((clock.mono() + 1) * (at + 7) * 2_654_435_761) >>> 24),
    });
    this.truth = memoryLog({ random: (count) => new Uint8Array(count) });
    this.log = new AskedLog(this.parties);
    this.parts = makeRuntime({
      log: this.log.over(this.truth),
      clock: this.clock,
      authenticate: async (token) => this.userOf(token),
      onCommand: async ({ data, runId }) => ({ said: data["text"] ?? null, runId: runId ?? null }),
      ...{ windowEvents: 6, windowBytes: 2_000, graceMs: 1_000, heartbeatMs: 1_600, maxConnectionsPerUser: 2 },
    });
  }

  static async open(setting: Setting): Promise<World> {
    const world = new World(setting);
    await world.parts.start();
    return world;
  }

  private userOf(token: string): UserPrincipal {
    const side = token as Side;
    const { tenantId, userId } = this.parties[side] ?? {};
    if (tenantId === undefined || userId === undefined) throw new Unauthenticated({ message: "bad token" });
    return { kind: "user", tenantId, userId, expiresAtMs: this.clock.now() + 20_000 };
  }

  private publisherOf(side: Side): PublisherPrincipal {
    return { kind: "publisher", name: side, tenants: [this.parties[side].tenantId], rights: ["publish", "admin"] };
  }

  /** A moment of ours: what we see from here on bears its number. */
  next(): void {
    this.step += 1;
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await settled();
  }

  answerOne(side: Side, chance: number): Promise<void> {
    return this.log.asker.run(side, () => this.log.answerOne(side, chance));
  }

  /** Every question is answered from here on. */
  async rest(ms: number): Promise<void> {
    for (let round = 0; round < 400; round += 1)
      for (const side of ["us", "them"] as const) await this.answerOne(side, 0);
    await this.advance(ms);
    for (let round = 0; round < 100; round += 1)
      for (const side of ["us", "them"] as const) await this.answerOne(side, 0);
  }

  /** One call of a party; it goes on while others act. */
  async call(
    side: Side,
    name: string,
    ask: (
      service: RuntimeParts["service"],
      user: UserPrincipal,
      key: PublisherPrincipal,
    ) => Effect.Effect<unknown, ExpectedError>,
  ): Promise<void> {
    if (side === "us") this.calls += 1;
    const place = `call ${this.calls} ${name}`;
    const note = (what: string): void => {
      if (side === "us") this.note(place, what);
    };
    await this.log.asker.run(side, async () => {
      const answer = Effect.runPromiseExit(ask(this.parts.service, this.userOf(side), this.publisherOf(side)));
      void answer.then((exit) => {
        if (exit._tag === "Success") return note(JSON.stringify(exit.value) ?? "nothing");
        const [failure] = exit.cause.reasons;
        return note(failure?._tag === "Fail" ? errorBody(refusalOf(failure.error)) : `a bug: ${String(exit.cause)}`);
      });
      await settled();
    });
  }

  start(side: Side, which: number, body: object): Promise<void> {
    const { userId, runIds } = this.parties[side];
    const checked = check(startRunSchema, { userId, runId: runIds[which], agent: "a", ...body });
    if (!checked.ok) throw new Error(checked.issue.message);
    return this.call(side, "start", (service, _, key) => service.startRun(key, checked.value));
  }

  publish(side: Side, run: string, tenant: string | undefined, body: object): Promise<void> {
    const decoded = decodePublish(JSON.stringify(body));
    if (!decoded.ok) throw new Error(`${decoded.issue.path} ${decoded.issue.message}`);
    return this.call(side, "publish", (service, _, key) =>
      service.publish(key, tenant === undefined ? undefined : asTenantId(tenant), asRunId(run), decoded.value),
    );
  }

  notify(side: Side, body: object): Promise<void> {
    const checked = check(noticeSchema, { userId: this.parties[side].userId, type: "x.mail", ...body });
    if (!checked.ok) throw new Error(checked.issue.message);
    return this.call(side, "notify", (service, _, key) => service.notify(key, checked.value));
  }

  cancel(side: Side, run: string, as: "user" | "key", tenant?: string): Promise<void> {
    const body = check(cancelSchema, { deadlineMs: 300, reason: "enough" });
    if (!body.ok) throw new Error(body.issue.message);
    return this.call(side, `cancel as ${as}`, (service, user, key) =>
      service.cancel(
        as === "user" ? user : key,
        tenant === undefined ? undefined : asTenantId(tenant),
        asRunId(run),
        body.value,
      ),
    );
  }

  resolve(side: Side, approvalId: string, decision: "approve" | "deny", data: unknown): Promise<void> {
    const body = check(resolveApprovalSchema, { decision, data });
    if (!body.ok) throw new Error(body.issue.message);
    return this.call(side, "resolve", (service, user) =>
      service.resolveApproval(user, undefined, approvalId, body.value),
    );
  }

  /** Opens the connection of this name, or opens it anew. */
  async connect(side: Side, name: string, kind: "websocket" | "sse", hello: object): Promise<void> {
    await this.cut(side, name);
    await this.log.asker.run(side, async () => {
      const transport = new RecordingTransport(kind);
      const connection = await Effect.runPromise(this.parts.service.open({ transport })).catch(() => undefined);
      if (connection === undefined) return;
      transport.onPing = () => connection.heard();
      this.lines.set(`${side} ${name}`, { transport, connection });
      if (side === "us") this.watch(name, transport);
      this.frame(side, name, { type: "hello", token: side, ...hello });
      await settled();
    });
  }

  async cut(side: Side, name: string): Promise<void> {
    const line = this.lines.get(`${side} ${name}`);
    if (line === undefined) return;
    this.lines.delete(`${side} ${name}`);
    await this.log.asker.run(side, async () => {
      line.transport.gone = true;
      line.connection.closed();
      await settled();
    });
  }

  /** Where its frames end, as a device knows it. */
  cursorOf(side: Side, name: string): { readonly epoch: string; readonly offset: number } | undefined {
    const { transport } = this.lines.get(`${side} ${name}`) ?? {};
    let epoch: string | undefined;
    let offset = 0;
    for (const frame of transport?.frames ?? []) {
      if (frame.type === "welcome") epoch = frame.epoch;
      else if (frame.type === "events" || frame.type === "gap") offset = frame.upto;
      else if (frame.type === "snapshot") offset = frame.at;
    }
    return epoch === undefined ? undefined : { epoch, offset };
  }

  /** The id of a connection that is or was open; undefined when there was none. */
  connectionOf(side: Side, name: string): string | undefined {
    return this.lines.get(`${side} ${name}`)?.connection.id;
  }

  async say(side: Side, name: string, frame: object): Promise<void> {
    await this.log.asker.run(side, async () => {
      this.frame(side, name, frame);
      await settled();
    });
  }

  ack(side: Side, connectionId: string, offset: number): Promise<void> {
    return this.call(side, "ack", (service, user) => service.ack(user, asConnectionId(connectionId), offset));
  }

  /** Whether they have a run of this name at the moment. */
  async isTheirs(run: string): Promise<boolean> {
    return (await this.truth.run(this.parties.them.tenantId, asRunId(run))) !== undefined;
  }

  private frame(side: Side, name: string, frame: object): void {
    const line = this.lines.get(`${side} ${name}`);
    if (line === undefined) return;
    const decoded = decodeClientFrame(JSON.stringify(frame));
    if (decoded.ok) line.connection.receive(decoded.value);
    else line.connection.malformed(decoded.issue);
  }

  private watch(name: string, transport: RecordingTransport): void {
    const { write, close, ping } = transport;
    const place = `line ${name} ${this.calls} ${this.step}`;
    transport.write = (authority, frame) => {
      const taken = write.call(transport, authority, frame);
      const text = new TextDecoder().decode(frame.bytes);
      this.note(place, `${taken ? "" : "lost "}${text}`);
      if (taken && frame.name === "events") this.reached.events += text.split('"data":').length - 1;
      return taken;
    };
    transport.close = (authority, code, reason) => {
      this.note(place, `closed ${code} ${reason}`);
      close.call(transport, authority, code, reason);
    };
    transport.ping = () => {
      this.note(place, "ping");
      ping.call(transport);
    };
  }

  private note(place: string, what: string): void {
    const list = this.seen.get(place) ?? [];
    this.seen.set(place, list);
    list.push(`${this.step}: ${what}`);
  }

  /**
   * All that we saw. Ids alone are told by the order in which they came: they are made by one counter of the process, so
   * that none comes twice, and within a millisecond its steps are everybody's.
   */
  trace(): string {
    const text = [...this.seen].map(([place, what]) => `${place}\n  ${what.join("\n  ")}`).join("\n");
    const known = new Map<string, string>();
    return text.replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, (id) => {
      const name = known.get(id) ?? `id-${known.size}`;
      known.set(id, name);
      return name;
    });
  }
}
