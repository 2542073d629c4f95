/**
 * One server process of the world: the real runtime over its own view of the log, with its own clocks. What devices
 * and publishers say reaches it as it would through the gateway; when it is killed, everything of it is gone at once.
 */
import type * as Effect from "effect/Effect";
import { runPromise } from "effect/Effect";
import { MixedScheduler } from "effect/Scheduler";
import { asTenantId, asUserId, streamKey } from "../../protocol/ids.ts";
import type { UserPrincipal } from "../../src/auth/principal.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import type { RuntimeParts } from "../../src/runtime/runtime-parts.ts";
import { makeRuntime } from "../../src/runtime/make-runtime.ts";
import type { RuntimeService } from "../../src/runtime/runtime.ts";
import type { Journal } from "../../src/telemetry/journal.ts";
import { ConnectionWatch } from "./connection-watch.ts";
import type { Link } from "./link.ts";
import type { Wall } from "./sim-clock.ts";
import { SimClock } from "./sim-clock.ts";
import { simLog } from "./sim-log.ts";
import { SimProcess } from "./sim-process.ts";
import { SimTransport } from "./sim-transport.ts";
import { StoreLine } from "./store-line.ts";
import type { World } from "./world.ts";

const tenant = asTenantId("default");
export const streamOf = (user: string) => streamKey(tenant, asUserId(user));

/** Records of these would be bugs; the other errors of the journal are failures of the world. */
const bugs: ReadonlySet<string> = new Set(["run.actorFailed", "connection.actorFailed", "connection.failed"]);
const foreignBellMs = 100;
/** The walls of several machines are so far apart at most. */
const maxSkewMs = 60_000;
const maxDrainMs = 10_000;
const rebootMs = 1_000;
const housekeepingEvents = 10_000;

export type Ask<Value> = (service: RuntimeService) => Effect.Effect<Value, unknown>;

export class Server {
  readonly process: SimProcess;
  /** Of the machine that it runs on. */
  readonly wall: Wall;
  /** To the store that it shares with others. */
  readonly line: StoreLine | undefined;
  readonly links = new Map<number, { readonly link: Link; readonly user: () => string | undefined }>();
  private readonly world: World;
  private readonly log: EventLog & { kill(): void };
  private readonly parts: RuntimeParts;
  private readonly clock: SimClock;
  private readonly scheduler = new MixedScheduler("sync");

  constructor(world: World, name: string) {
    this.world = world;
    const { time, disk, script } = world;
    const chance = world.chance.fork(name);
    const { drift, readMs, nodes, ...settings } = script.settings;
    this.process = new SimProcess(name, time, chance);
    const isSeveral = nodes !== undefined;
    this.wall = isSeveral ? { skewMs: chance.whole(-maxSkewMs, maxSkewMs) } : world.wall;
    this.line = isSeveral ? new StoreLine(time) : undefined;
    const { line, wall, process } = this;
    const clock = (this.clock = new SimClock(time, process, wall, 1 + chance.between(-drift, drift), chance));
    const onBug = (cause: unknown): void => world.violate("I0", `${name}: a listener threw ${String(cause)}`);
    this.log = simLog({
      ...{ time, disk, process, chance, pace: { readMs, foreignBellMs }, onBug, line },
      ...(isSeveral && { onAppended: (...said) => world.storeWatch.answered(name, ...said) }),
    });
    this.parts = makeRuntime({
      log: this.log,
      clock,
      journal: this.journal(),
      authenticate: async (token): Promise<UserPrincipal> => ({
        kind: "user",
        userId: asUserId(token),
        tenantId: tenant,
        expiresAtMs: clock.now() + settings.tokenMs,
      }),
      heartbeatMs: settings.heartbeatMs,
      windowEvents: settings.windowEvents,
      windowBytes: settings.windowBytes,
      graceMs: settings.graceMs,
    });
    const ready = isSeveral ? this.parts.prepare().then(() => this.parts.start()) : this.parts.start();
    ready.catch(() => {
      // Its log does not answer: it ends, and whoever watches over processes starts the next.
      if (!this.process.isGone) world.fleet.restart(this, rebootMs);
    });
  }

  get state(): string {
    return this.process.isGone ? "gone" : this.parts.service.state();
  }

  /** A call of somebody outside. Never settles when the process dies. */
  run<Value>(ask: Ask<Value>): Promise<Value> {
    return runPromise(ask(this.parts.service), { scheduler: this.scheduler });
  }

  /** A SYN and the upgrade behind it. */
  takeIn(link: Link): void {
    const { world } = this;
    let user: string | undefined;
    const watch = new ConnectionWatch({
      history: world.history,
      sometimes: world.sometimes,
      streamOf,
      windowEvents: world.script.settings.windowEvents,
      windowBytes: world.script.settings.windowBytes,
      violate: (law, what) => world.violate(law, `${this.process.name}, link ${link.id}: ${what}`),
    });
    const transport = new SimTransport(link, {
      handedOver: (text, bytes) => watch.handedOver(text, bytes),
      heard: (text) => {
        user ??= (JSON.parse(text) as { token?: string }).token;
        watch.heard(text);
        if (this.state === "draining") world.sometimes.note("a device comes back while its server drains");
      },
      ended: (reason) => {
        if (reason === "heartbeat missed") world.sometimes.note("a server finds a half-open link by itself");
      },
    });
    link.attach("up", { process: this.process, hear: (message) => transport.hear(message) });
    this.links.set(link.id, { link, user: () => user });
    this.run((service) => service.open({ transport })).then(
      (connection) => transport.attach(connection),
      () => {
        if (this.state === "draining") world.sometimes.note("a device comes back while its server drains");
        link.send("down", { kind: "close", code: 1006, reason: "" });
      },
    );
  }

  /** kill -9. Its kernel closes what it held. */
  kill(): void {
    if (this.process.isGone) return;
    this.die();
    for (const { link } of this.links.values()) {
      link.breakOff("down");
      link.breakOff("up");
    }
  }

  /** The machine stops: nobody closes anything. */
  losePower(): void {
    if (this.process.isGone) return;
    this.die();
    for (const { link } of this.links.values()) link.vanish();
  }

  /** What is older than this goes, as far as one call takes it. */
  retire(keptMs: number): void {
    const text = (ms: number): string => new Date(ms).toISOString();
    const nowMs = this.clock.now();
    const ask = { before: text(nowMs - keptMs), now: text(nowMs), maxEvents: housekeepingEvents };
    this.process.enter("housekeeping", () => void this.log.retire(ask).catch(() => {}));
  }

  compact(): void {
    const ask = { endedBefore: new Date(this.clock.now()).toISOString(), maxEvents: housekeepingEvents };
    this.process.enter(
      "housekeeping",
      () =>
        void this.log.compact(ask).then(
          ({ merged }) => merged > 0 && this.world.sometimes.note("the log joins the deltas of a run that has ended"),
          () => {},
        ),
    );
  }

  /** SIGTERM, up to the end of the process. */
  async drain(): Promise<void> {
    const { time } = this.world;
    const drained = this.run((service) => service.drain).then(() => this.log.close());
    await Promise.race([drained, time.sleep(maxDrainMs, `${this.process.name} must be gone`)]);
    this.kill();
  }

  private die(): void {
    const { sometimes } = this.world;
    const places = [...this.links.values()].filter(({ link }) => !link.isOver).map(({ user }) => user());
    if (places.some((user, at) => user !== undefined && places.indexOf(user) !== at) && this.world.areApart())
      sometimes.note("two devices of a user lose the same server at different places");
    this.process.kill();
    this.log.kill();
  }

  private journal(): Journal {
    return {
      write: (_level, what, fields) => {
        if (bugs.has(what)) this.world.violate("I0", `${this.process.name}: ${what} ${String(fields?.["cause"])}`);
      },
    };
  }
}
