/**
 * One simulated world, from its script to its verdict: servers over one disk, devices, publishers, and everything that
 * goes wrong with them; first faults, then healing, then the look at what became of it.
 */
import type { RunId } from "../../protocol/ids.ts";
import { asRunId } from "../../protocol/ids.ts";
import type { Bell, StoredEvent } from "../../src/log/event-log.ts";
import { publisher, userOf } from "../../test/support/runtime-under-test.ts";
import { Chance } from "./chance.ts";
import { Device } from "./device.ts";
import { Fleet } from "./fleet.ts";
import { History } from "./history.ts";
import { inflict } from "./inflict.ts";
import type { Line } from "./line.ts";
import { Link } from "./link.ts";
import { Phone } from "./phone.ts";
import { Runner } from "./runner.ts";
import type { Fault, FaultKind, NoticeScript, RunScript, Script } from "./script.ts";
import { streamOf } from "./server.ts";
import type { Wall } from "./sim-clock.ts";
import { SimDisk } from "./sim-disk.ts";
import { SimProcess } from "./sim-process.ts";
import { Sometimes } from "./sometimes.ts";
import { StoreWatch } from "./store-watch.ts";
import { Trace } from "./trace.ts";
import { judge } from "./verdict.ts";
import { VirtualTime } from "./virtual-time.ts";
import { Words } from "./words.ts";

export interface Violation {
  readonly law: string;
  readonly what: string;
  readonly atMs: number;
}

/**
 * From the end of faults until everything has converged, beside lease and grace: the longest back-off (10 s) after a
 * connection attempt that hung (10 s), a half-open link found by three heartbeats, a runner's last words.
 */
const convergenceMs = 60_000;
const heartbeatsToFind = 4;
/** How often unfinished runs that nobody watches are looked for; where several look, the pauses are spread. */
const sweepMs = 30_000;
const spreadSweepMs = 36_000;
const ackEveryMs = 200;
const roughEventBytes = 400;
const humanComesMs = 5_000;
const humanLooks = 10;

export class World {
  readonly script: Script;
  readonly chance: Chance;
  readonly trace: Trace;
  readonly time: VirtualTime;
  readonly disk: SimDisk;
  readonly history: History;
  readonly fleet: Fleet;
  readonly words: Words;
  readonly sometimes = new Sometimes();
  readonly storeWatch = new StoreWatch(this.sometimes);
  readonly wall: Wall = { skewMs: 0 };
  readonly devices: Device[] = [];
  readonly runners: Runner[] = [];
  readonly violations: Violation[] = [];
  readonly inflicted = new Map<FaultKind, number>();
  readonly decisions = new Map<string, string[]>();
  /** More than one process has worked at a time on a log that was meant for one. */
  isShared = false;
  isHealed = false;
  /** Something old was taken away: keys and runs may be forgotten. */
  isRetired = false;
  answersLostUntilMs = 0;
  private readonly balancer: Chance;
  private links = 0;
  private comeBack: (() => void) | undefined;

  constructor(script: Script, keepsTrace = false) {
    this.script = script;
    const { seed, settings } = script;
    this.chance = new Chance(`world ${seed}`);
    this.trace = new Trace(keepsTrace);
    this.balancer = this.chance.fork("balancer");
    this.time = new VirtualTime(this.chance.fork("ties"), this.trace);
    this.time.onThrown = (cause) => this.violate("I0", `uncaught: ${textOf(cause)}`);
    this.disk = new SimDisk(this.time, this.chance.fork("disk"), settings);
    this.history = new History(this.disk.epoch, (law, what) => this.violate(law, what));
    this.words = new Words(this.disk.epoch);
    this.disk.watch = {
      committed: (bell) => {
        this.trace.note(this.time.nowMs, `commit ${bell.stream}`, bell.events?.map(traceOf).join() ?? "");
        this.history.committed(bell, this.time.nowMs);
        this.noteEnds(bell);
      },
      replaced: async (truth, epoch) => {
        await this.history.reopened(truth, epoch, this.streams, this.time.nowMs);
        if (epoch === this.words.epoch) return;
        this.words.replaced(epoch, (stream) => this.history.head(stream));
        if (this.fleet.alive.length > 0)
          this.sometimes.note("the store comes back with another history while nodes live");
      },
      rare: (state) => this.sometimes.note(state),
    };
    this.fleet = new Fleet(this);
  }

  get streams() {
    return Array.from({ length: this.script.settings.users }, (_, user) => streamOf(this.userName(user)));
  }

  get endMs(): number {
    const { faultyMs, leaseMs, graceMs, heartbeatMs, nodes } = this.script.settings;
    const sweptMs = nodes === undefined ? sweepMs : spreadSweepMs;
    return faultyMs + convergenceMs + sweptMs + leaseMs + graceMs + heartbeatsToFind * heartbeatMs;
  }

  /** What a small window and a thin line need for what still lies there. */
  private get backlogMs(): number {
    const { windowEvents, windowBytes, maxLatencyMs } = this.script.settings;
    const window = Math.max(1, Math.min(windowEvents / 2, windowBytes / roughEventBytes));
    const behind = this.devices.map(
      ({ user, offset, script: { bytesPerMs } }) =>
        (this.history.head(streamOf(user)) - offset) *
        ((2 * maxLatencyMs + ackEveryMs) / window + roughEventBytes / bytesPerMs),
    );
    return Math.max(0, ...behind);
  }

  userName(user: number): string {
    return `user-${user % this.script.settings.users}`;
  }

  async run(): Promise<this> {
    const { script, time } = this;
    this.fleet.boot();
    for (const [index, device] of script.devices.entries()) this.devices.push(new Device(this, device, index));
    for (const [index, run] of script.runs.entries()) this.live(new Runner(this, run, index), run);
    for (const [index, notice] of script.notices.entries()) this.guard(this.notify(notice, index));
    for (const fault of script.faults) this.schedule(fault);
    time.at(script.settings.faultyMs, "everything heals", () => this.heal());
    const goesOn = (): boolean => this.violations.length === 0;
    await time.runUntil(this.endMs, goesOn);
    await time.runUntil(time.nowMs + this.backlogMs, goesOn);
    if (goesOn()) await judge(this);
    return this;
  }

  violate(law: string, what: string): void {
    this.violations.push({ law, what, atMs: this.time.nowMs });
    this.trace.note(this.time.nowMs, `violation ${law}`, what);
  }

  /** What an actor of the world does; that it breaks is a mistake of the simulator or of a promise of the product. */
  guard(life: Promise<unknown>): void {
    life.catch((cause: unknown) => this.violate("I0", `an actor broke: ${textOf(cause)}`));
  }

  live(runner: Runner, { cancelAtMs }: RunScript): void {
    this.runners.push(runner);
    this.guard(runner.live());
    if (cancelAtMs !== undefined) this.time.at(cancelAtMs, "a user wants a run to stop", () => this.cancel(runner));
  }

  /** A call over HTTP that hears nothing back in time, or an answer that is lost. */
  losesAnswer(chance: Chance): boolean {
    return this.time.nowMs < this.answersLostUntilMs && chance.is(0.6);
  }

  httpLatencyMs(chance: Chance): number {
    const { minLatencyMs, maxLatencyMs } = this.script.settings;
    return chance.between(minLatencyMs, maxLatencyMs);
  }

  /** A new connection through this line to whoever takes it. */
  dial(line: Line): Link {
    this.links += 1;
    const link = new Link(this.links, this.time, line);
    const silenceMs = Math.max(line.silenceMs("up"), line.silenceMs("down"));
    this.time.after(silenceMs + line.latencyMs(), `link ${link.id} dials`, () => {
      const server = this.fleet.pick(this.balancer);
      if (server === undefined) return link.breakOff("down");
      link.servedBy = server.process.name;
      server.process.enter(`link ${link.id} up`, () => server.takeIn(link));
    });
    return link;
  }

  /** Whether two devices of one user stand at different places now. */
  areApart(): boolean {
    return this.devices.some((one) =>
      this.devices.some((other) => one.user === other.user && one.offset !== other.offset && one.isUp && other.isUp),
    );
  }

  /** The server said to this human that the decision is theirs. */
  decided(approvalId: string, decision: string): void {
    this.decisions.set(approvalId, [...(this.decisions.get(approvalId) ?? []), decision]);
  }

  /** A terminal that no runner said. */
  private noteEnds({ events = [] }: Bell): void {
    for (const { type, runId, data } of events) {
      const isSupervisors = type === "agent_interrupted" || (type === "agent_cancelled" && !data.includes('"mark"'));
      if (!isSupervisors) continue;
      const runner = this.runners.find((each) => each.runId === runId);
      if (runner?.phone.isRepeating) this.sometimes.note("the supervisor ends a run while its runner repeats itself");
      if (type === "agent_cancelled")
        this.sometimes.note("a user's stop is overheard and the supervisor carries it out");
    }
  }

  private schedule(fault: Fault): void {
    this.time.at(fault.atMs, fault.kind, () => {
      if (this.isHealed) return;
      this.inflicted.set(fault.kind, (this.inflicted.get(fault.kind) ?? 0) + 1);
      inflict(this, fault);
    });
  }

  /** The lights go out, and come back after a while or when everything heals. */
  loseLight(forMs: number, comeBack: () => Promise<void>): void {
    if (this.comeBack !== undefined) return;
    this.fleet.cutPower();
    this.disk.cutPower();
    this.comeBack = () => this.guard(comeBack().then(() => this.fleet.powerOn()));
    this.time.after(forMs, "power is back", () => this.light());
  }

  /** The store ends and comes back after a while, or when everything heals; who uses it lives on. */
  loseStore(forMs: number): void {
    if (this.comeBack !== undefined) return;
    this.disk.fall();
    for (const { line } of this.fleet.alive) line?.breakBells(forMs);
    this.time.after(forMs, "the store is back", () => this.guard(this.disk.rise()));
  }

  private light(): void {
    this.comeBack?.();
    this.comeBack = undefined;
  }

  private heal(): void {
    this.isHealed = true;
    this.light();
    this.answersLostUntilMs = 0;
    this.disk.faults.heal();
    this.guard(this.disk.rise());
    this.fleet.heal();
    for (const device of this.devices) {
      device.line.heal();
      device.process.goOn();
      device.begin();
    }
    for (const { process } of this.runners) process.goOn();
    this.guard(this.answerAll());
  }

  /** Whatever still waits for a human gets one, who looks in from time to time. */
  private async answerAll(): Promise<void> {
    const phone = new Phone(this, new SimProcess("console", this.time, this.chance), this.chance.fork("console"));
    for (let looks = 0; looks < humanLooks; looks += 1) {
      await phone.sleep(humanComesMs);
      for (const { runId, user } of this.runners) await this.answerRun(phone, asRunId(runId), user);
    }
  }

  private async answerRun(phone: Phone, runId: RunId, user: string): Promise<void> {
    // The console is the user's own: they may answer what their tabs could not.
    const { reply } = await phone.settle((service) => service.run(publisher, undefined, runId));
    if (reply.kind !== "answer" || reply.value.endedBy !== undefined) return;
    const open = reply.value.approvals.filter(({ decision }) => decision === undefined);
    const caller = userOf(user, 0);
    for (const { approvalId } of open)
      await phone.settle((service) => service.resolveApproval(caller, undefined, approvalId, { decision: "approve" }));
  }

  private cancel({ runId, user }: Runner): void {
    const device = this.devices.find((each) => each.user === user && each.isUp);
    device?.client.cancel(runId, "enough").catch(() => {});
  }

  private async notify({ user, atMs, ackWaitMs }: NoticeScript, index: number): Promise<void> {
    const process = new SimProcess(`notifier ${index}`, this.time, this.chance);
    const phone = new Phone(this, process, this.chance.fork(process.name));
    await phone.sleep(atMs);
    const userId = this.userName(user);
    const mark = `notice-${index}`;
    const batch = this.words.say(streamOf(userId), undefined, [mark]);
    const body = { userId, type: "x.mail", data: { mark }, key: mark, ackWaitMs };
    const { reply } = await phone.settle((service) => service.notify(publisher, body));
    if (reply.kind === "refusal") this.violate("I18", `a notice is refused: ${reply.why._tag} ${reply.why.message}`);
    if (reply.kind !== "answer" || reply.epoch !== this.history.epoch) return;
    batch.fate = "accepted";
    batch.offset = reply.value.offset;
    if (reply.value.acknowledged > reply.value.successfulSends)
      this.violate("I11", `${reply.value.acknowledged} acknowledged of ${reply.value.successfulSends} sent`);
  }
}

const traceOf = ({ offset, id, runId, seq, type }: StoredEvent): string => `${offset} ${id} ${runId}:${seq} ${type}`;

function textOf(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message).split("\n").slice(0, 6).join(" | ") : String(cause);
}
