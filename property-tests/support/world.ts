/**
 * A world for the laws: one memory log, one runtime after another on it, publishers that repeat what they do not know
 * the fate of, and devices. Nothing in it waits: what is asked of the log moves when fast-check's scheduler says so.
 */
import * as Effect from "effect/Effect";
import type { Scheduler } from "fast-check";
import { decodePublish } from "../../protocol/codec.ts";
import type { OnIllegal, Profile } from "../../protocol/http.ts";
import { asRunId } from "../../protocol/ids.ts";
import { isExpected } from "../../src/errors.ts";
import { memoryLog } from "../../src/log/memory.ts";
import type { RuntimeParts } from "../../src/runtime/runtime-parts.ts";
import { makeRuntime } from "../../src/runtime/make-runtime.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { publisher, userOf } from "../../test/support/runtime-under-test.ts";
import { Device } from "./device.ts";
import { Model } from "./model.ts";
import type { Fault, ScheduledLog } from "./scheduled-log.ts";
import { scheduledLog } from "./scheduled-log.ts";

export interface WorldSettings {
  readonly windowEvents: number;
  readonly windowBytes: number;
  readonly leaseMs: number;
  readonly profile: Profile;
  readonly onIllegal: OnIllegal;
  /** Whether the search begins with all runs started and all devices connected. */
  readonly isBegun: boolean;
  readonly devices: readonly {
    readonly user: number;
    readonly want: "all" | "deltas";
    readonly merge: boolean;
    readonly batch: boolean;
  }[];
}

export type EventOf = (mark: string) => { readonly type: string; readonly data: object };

interface RunSlot {
  readonly runId: string;
  readonly user: string;
  readonly mark: string;
  isStarted: boolean;
  fence: number;
}

/** Something that a publisher has said and must learn the fate of. */
interface Saying {
  readonly slot: RunSlot | undefined;
  readonly say: () => Promise<void>;
}

export const users = ["ann", "bob"] as const;
const slotsPerUser = 2;
export const graceMs = 1_000;
const heartbeatMs = 1_600;
/** What a filter kept back is covered with the heartbeat; short leases and their grace are over by then, too. */
const restMs = 4_000;
const passStepMs = 1_000;
/** More steps than any of these worlds needs: something goes round in circles. */
const maxSteps = 20_000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const tagOf = (cause: unknown): string => (isExpected(cause) ? cause._tag : "");
const undecided: ReadonlySet<string> = new Set(["LogUnavailable", "NotAccepting"]);

export class World {
  readonly model = new Model();
  /** The truth: the log itself, with nothing in between. */
  readonly truth = memoryLog();
  readonly clock = manualClock();
  readonly slots: readonly RunSlot[];
  readonly devices: readonly Device[];
  restarts = 0;
  private readonly settings: WorldSettings;
  private readonly scheduler: Scheduler;
  private log: ScheduledLog;
  private parts: RuntimeParts;
  /** Every mark that was said, with the type of its event. */
  private readonly types = new Map<string, string>();
  private readonly underWay = new Set<Saying>();
  private readonly unsettled: Saying[] = [];
  private readonly bugs: unknown[] = [];

  constructor(scheduler: Scheduler, settings: WorldSettings) {
    this.scheduler = scheduler;
    this.settings = settings;
    this.slots = users.flatMap((user) =>
      Array.from({ length: slotsPerUser }, (_, index) => ({
        runId: `${user}-${index}`,
        user,
        mark: `start-${user}-${index}`,
        isStarted: false,
        fence: 1,
      })),
    );
    this.devices = settings.devices.map(
      ({ user, want, merge, batch }, index) =>
        new Device(users[user % users.length] ?? "ann", {
          device: `d${index}`,
          mergeDeltas: merge,
          ...(batch && { batch: true as const }),
          ...(want === "deltas" && { want: { types: ["agent_delta", "x.mail"] } }),
        }),
    );
    [this.log, this.parts] = this.boot();
  }

  async begin(): Promise<this> {
    if (!this.settings.isBegun) return this;
    await this.settle();
    for (const which of this.slots.keys()) this.start(which);
    for (const which of this.devices.keys()) await this.connect(which);
    await this.settle();
    return this;
  }

  /** Lets the log answer so many times. */
  async release(steps: number): Promise<void> {
    for (let step = 0; step < steps && this.scheduler.count() > 0; step += 1) await this.scheduler.waitOne();
  }

  start(which: number): void {
    const slot = this.slot(which);
    if (slot.isStarted) return;
    const { profile, onIllegal, leaseMs } = this.settings;
    const { runId, user: userId, mark } = slot;
    const body = { userId, runId, agent: "a", input: mark, profile, onIllegal, leaseMs };
    this.say(slot, async () => {
      const { answer } = await this.call((service) => service.startRun(publisher, body));
      this.model.accepted(userId, answer.offset, [mark]);
      slot.isStarted = true;
    });
  }

  publish(which: number, events: readonly EventOf[], staleFence = false): void {
    const slot = this.slot(which);
    if (!slot.isStarted) return;
    if (staleFence) return this.publishStale(slot, events);
    const marks: string[] = [];
    const keyed = events.map((make) => {
      const mark = this.nextMark();
      const event = make(mark);
      this.types.set(mark, event.type);
      marks.push(mark);
      return { ...event, key: mark };
    });
    this.say(slot, async () => {
      const { offset } = await this.send(slot, keyed, slot.fence);
      this.model.accepted(slot.user, offset, marks);
    });
  }

  claim(which: number): void {
    const slot = this.slot(which);
    if (!slot.isStarted) return;
    this.say(slot, async () => {
      const { fence } = await this.call((service) => service.claim(publisher, undefined, asRunId(slot.runId)));
      slot.fence = Math.max(slot.fence, fence);
    });
  }

  cancel(which: number, deadlineMs: number): void {
    const { runId } = this.slot(which);
    this.say(undefined, () =>
      this.call((service) => service.cancel(publisher, undefined, asRunId(runId), { deadlineMs })),
    );
  }

  resolve(which: number, decision: "approve" | "deny"): void {
    const { user } = this.slot(which);
    this.say(undefined, async () => {
      const caller = userOf(user, this.clock.now());
      await this.call((service) => service.resolveApproval(caller, undefined, "p", { decision }));
    });
  }

  notify(which: number): void {
    const user = users[which % users.length] ?? "ann";
    const mark = this.nextMark();
    const body = { userId: user, type: "x.mail", data: { mark }, key: mark };
    this.types.set(mark, body.type);
    this.say(undefined, async () => {
      const { offset } = await this.call((service) => service.notify(publisher, body));
      this.model.accepted(user, offset, [mark]);
    });
  }

  async connect(which: number): Promise<void> {
    if (this.parts.service.state() !== "accepting") return;
    await this.device(which)?.connect((transport) => this.call((service) => service.open({ transport })));
  }

  device(which: number): Device | undefined {
    return this.devices[which % this.devices.length];
  }

  /** Repeats the oldest saying of unknown fate. */
  retry(): void {
    const saying = this.unsettled.shift();
    if (saying) this.attempt(saying);
  }

  fail(fault: Fault): void {
    this.log.failNext(fault);
  }

  /** kill -9, and the next process on the same log. */
  restart(): void {
    this.restarts += 1;
    this.log.kill();
    for (const device of this.devices) device.cut();
    this.unsettled.push(...this.underWay);
    this.underWay.clear();
    [this.log, this.parts] = this.boot();
  }

  /** The type of the event that bears this mark. */
  typeOf(mark: string): string {
    return this.types.get(mark) ?? "agent_started";
  }

  /** Time passes while the log does not answer. */
  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
  }

  /** Time passes while the log answers. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += passStepMs) {
      await this.clock.advance(passStepMs);
      await this.settle();
    }
  }

  /** Faults are over: every fate is learnt, every device is back and has handled everything. */
  async quiesce(): Promise<void> {
    await this.settle();
    for (let round = 0; this.unsettled.length > 0; round += 1) {
      if (round > maxSteps) throw new Error("a saying is never settled");
      this.retry();
      await this.settle();
    }
    for (const [index] of this.devices.entries()) await this.connect(index);
    await this.settle();
    await this.catchUp();
    await this.pass(restMs);
    await this.catchUp();
    await this.pass(heartbeatMs + passStepMs);
    await this.catchUp();
    if (this.bugs.length > 0) throw this.bugs[0];
  }

  private async catchUp(): Promise<void> {
    for (let round = 0; round < maxSteps; round += 1) {
      for (const device of this.devices) {
        if (device.transport) device.transport.bufferedBytes = 0;
        device.handle(Number.POSITIVE_INFINITY);
        device.ack();
      }
      await this.settle();
      if (!this.devices.some((device) => device.isBehind)) return;
    }
    throw new Error("a device never catches up");
  }

  private async settle(): Promise<void> {
    for (let step = 0; step < maxSteps; step += 1) {
      await turn();
      if (this.scheduler.count() === 0) return;
      await this.scheduler.waitOne();
    }
    throw new Error("the log is asked for ever");
  }

  private boot(): [ScheduledLog, RuntimeParts] {
    const { windowEvents, windowBytes } = this.settings;
    const log = scheduledLog(this.truth, this.scheduler);
    const parts = makeRuntime({
      log,
      clock: this.clock,
      authenticate: async (token) => userOf(token, this.clock.now()),
      ...{ windowEvents, windowBytes, graceMs, heartbeatMs },
    });
    parts.start().catch((cause: unknown) => this.bugs.push(cause));
    return [log, parts];
  }

  private say(slot: RunSlot | undefined, say: () => Promise<void>): void {
    this.attempt({ slot, say });
  }

  private attempt(saying: Saying): void {
    this.underWay.add(saying);
    const { parts } = this;
    saying.say().then(
      () => void this.underWay.delete(saying),
      async (cause: unknown) => {
        // A process that is gone has handed its sayings to the next one.
        if (parts !== this.parts || !this.underWay.delete(saying)) return;
        if (undecided.has(tagOf(cause))) this.unsettled.push(saying);
        else if (tagOf(cause) === "Fenced" && saying.slot) this.claimAndRepeat(saying.slot, saying);
        else if (tagOf(cause) === "" || tagOf(cause) === "KeyConflict") this.bugs.push(cause);
      },
    );
  }

  /** A claim of unknown fate has shut us out: the next runner takes our keys over. */
  private claimAndRepeat(slot: RunSlot, saying: Saying): void {
    this.attempt({
      slot: undefined,
      say: async () => {
        const { fence } = await this.call((service) => service.claim(publisher, undefined, asRunId(slot.runId)));
        slot.fence = Math.max(slot.fence, fence);
      },
    });
    this.unsettled.push(saying);
  }

  private publishStale(slot: RunSlot, events: readonly EventOf[]): void {
    if (slot.fence === 1) return;
    const said = this.send(
      slot,
      events.map((make) => make(this.nextMark())),
      slot.fence - 1,
    );
    said.then(
      () => this.bugs.push(new Error("a fenced runner has written (L14)")),
      () => {},
    );
  }

  private async send(slot: RunSlot, events: readonly object[], fence: number): Promise<{ offset: number }> {
    const decoded = decodePublish(JSON.stringify({ fence, events }));
    if (!decoded.ok) throw new Error(`${decoded.issue.path} ${decoded.issue.message}`);
    return this.call((service) => service.publish(publisher, undefined, asRunId(slot.runId), decoded.value));
  }

  private call<Value>(ask: (service: RuntimeParts["service"]) => Effect.Effect<Value, unknown>): Promise<Value> {
    return Effect.runPromise(ask(this.parts.service));
  }

  private slot(which: number): RunSlot {
    const slot = this.slots[which % this.slots.length];
    if (slot === undefined) throw new Error("there is no such run");
    return slot;
  }

  private nextMark(): string {
    const mark = `e${this.types.size}`;
    this.types.set(mark, "");
    return mark;
  }
}
