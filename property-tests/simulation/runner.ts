/**
 * One agent run and the process that executes it: starts it, says what the plan says, keeps its lease alive, repeats
 * what it does not know the fate of, asks humans, heeds a wish to stop, and ends. It may die, sleep, and be replaced.
 */
import { decodePublish } from "../../protocol/codec.ts";
import type { Epoch } from "../../protocol/ids.ts";
import { asRunId } from "../../protocol/ids.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import { publisher } from "../../test/support/runtime-under-test.ts";
import type { Said } from "../support/legality.ts";
import type { Chance } from "./chance.ts";
import { Phone } from "./phone.ts";
import type { Reply } from "./phone.ts";
import { Plan } from "./plan.ts";
import type { Told } from "./picture.ts";
import { replayed } from "./picture.ts";
import type { RunScript } from "./script.ts";
import { streamOf } from "./server.ts";
import { SimProcess } from "./sim-process.ts";
import type { Batch } from "./words.ts";
import type { World } from "./world.ts";

const heartbeatsPerLease = 3;
const pollMs = 700;
const maxWaitForChild = 8;
const hurriedMs = 20;
const maxSuccessorWords = 8;

export class Runner {
  readonly runId: string;
  readonly user: string;
  readonly script: RunScript;
  readonly process: SimProcess;
  /** When its heartbeats were heard: at some moment between the call and its answer. */
  readonly beats: { readonly askedMs: number; readonly answeredMs: number }[] = [];
  isStarted = false;
  /** It has nothing more to say: its run is over, lost, or somebody else's. */
  isDone = false;
  readonly phone: Phone;
  private readonly world: World;
  private readonly chance: Chance;
  private readonly plan: Plan;
  private readonly name: string;
  private fence = 0;
  private said = 0;
  private isAskedToStop = false;
  private hasHeeded = false;
  private hasClaimedAgain = false;

  constructor(world: World, script: RunScript, index: number, successor = 0) {
    this.world = world;
    this.script = script;
    this.user = world.userName(script.user);
    this.runId = `run-${index}`;
    this.name = `runner ${index}${"'".repeat(successor)}`;
    this.chance = world.chance.fork(this.name);
    this.process = new SimProcess(this.name, world.time, this.chance);
    this.phone = new Phone(world, this.process, this.chance);
    this.plan = new Plan(this.runId, script, this.chance);
  }

  get isAlive(): boolean {
    return !this.process.isGone && !this.isDone;
  }

  /** From the first word to the last. */
  async live(): Promise<void> {
    await this.phone.sleep(this.script.atMs);
    if (!(await this.start())) return;
    void this.beat();
    for (let batch = 0; batch < this.script.batches && !this.isDone && !this.world.isHealed; batch += 1) {
      await this.phone.sleep(this.chance.between(0, this.script.paceMs));
      if (this.isAskedToStop && !this.hasHeeded) await this.heedStop();
      if (this.plan.isWaiting) await this.awaitHuman();
      if (this.isDone) return;
      const { events, isLegal } = this.plan.next();
      if (events.length > 0) await this.say(events, isLegal);
      // It may have chanced to say so, just when a Stop had come of which it had not heard.
      this.hasHeeded ||= events.some(({ type }) => type === "cancel_refused");
    }
    if (this.script.fallsSilent) return this.fallSilent();
    if (!this.isDone) await this.finish();
    this.stop();
  }

  /** In the place of one who is not heard of: takes the run over and brings it to its end. */
  async takeOver(): Promise<void> {
    const runId = asRunId(this.runId);
    const { reply, tries } = await this.phone.settle((service) => service.claim(publisher, undefined, runId));
    this.hasClaimedAgain = tries > 1;
    if (reply.kind !== "answer") return this.stop();
    this.fence = reply.value.fence;
    this.world.words.claims.push({ runId: this.runId, fence: reply.value.fence, seq: reply.value.seq });
    this.isStarted = true;
    void this.beat();
    for (let words = this.chance.whole(1, maxSuccessorWords); words > 0 && !this.isDone; words -= 1) {
      await this.say([{ type: "x.note", data: {} }], true);
      await this.phone.sleep(this.chance.between(0, this.script.paceMs));
    }
    if (!this.isDone)
      await this.say([{ type: "agent_failed", data: { error: { code: "moved", message: "on" } } }], true);
    this.stop();
  }

  /** kill -9, or just silence. */
  fallSilent(): void {
    this.process.kill();
  }

  private async start(): Promise<boolean> {
    const { script, world } = this;
    const { leaseMs } = world.script.settings;
    const parent = script.parent === undefined ? undefined : world.runners[script.parent];
    if (parent !== undefined && (!parent.isStarted || !parent.isAlive || parent.user !== this.user)) {
      this.stop();
      return false;
    }
    const { runId, user } = this;
    const { profile, onIllegal, mode } = script;
    const mark = `${runId}:start`;
    const body = { userId: user, runId, agent: "a", input: mark, profile, onIllegal, mode, leaseMs };
    const batch = world.words.say(streamOf(user), runId, [mark], 1);
    const { reply, tries } = await this.phone.settle((service) =>
      service.startRun(publisher, { ...body, ...(parent && { parentRunId: parent.runId }) }),
    );
    if (reply.kind === "answer") {
      const { answer, created } = reply.value;
      this.fence = answer.fence;
      this.isStarted = true;
      this.accepted(batch, { offset: answer.offset, seq: answer.seq, duplicates: created ? 0 : 1 }, tries, reply.epoch);
      return true;
    }
    this.refusedAs(reply, batch, ["NotFound", "RunEnded"]);
    this.stop();
    return false;
  }

  /** Says a batch until its fate is known. */
  private async say(events: readonly Said[], isLegal: boolean): Promise<void> {
    const marks = events.map(() => `${this.name}:${++this.said}`);
    const marked = events.map((said, at) => withMark(said, marks[at] ?? ""));
    const batch = this.world.words.say(streamOf(this.user), this.runId, marks, this.fence);
    const decoded = decodePublish(JSON.stringify({ fence: this.fence, events: marked }));
    if (!decoded.ok) throw new Error(`${decoded.issue.path} ${decoded.issue.message}`);
    const { reply, tries } = await this.phone.settle((service) =>
      service.publish(publisher, undefined, asRunId(this.runId), decoded.value),
    );
    if (reply.kind === "answer") {
      this.accepted(batch, reply.value, tries, reply.epoch);
      // The server may have said something in its place.
      if (this.script.onIllegal === "repair" && !isLegal) await this.learn();
      return;
    }
    const tag = this.refusedAs(reply, batch, ["IllegalTransition", "Fenced", "RunEnded", "NotFound"]);
    if (tag !== "IllegalTransition") return this.stop();
    this.world.sometimes.note("an illegal event is refused");
    const isLast = events.at(-1)?.type === "agent_completed";
    if (isLegal && !isLast && !this.world.isShared && this.world.history.epochs.size === 1)
      this.world.violate("I3", `${this.name} may say ${events.map(({ type }) => type).join()} and is refused`);
  }

  private accepted(batch: Batch, answer: PublishAnswer, tries: number, epoch: Epoch): void {
    const { world } = this;
    const { duplicates, quarantined = 0, repaired = 0, offset } = answer;
    if (tries > 1)
      world.sometimes.note(
        duplicates > 0
          ? "an outcome that nobody knew turns out to be written"
          : "an outcome that nobody knew turns out not to be written",
      );
    if (repaired > 0) world.sometimes.note("the server repairs what a runner left out");
    if (quarantined > 0) world.sometimes.note("an illegal event is kept apart");
    // Said under a history that has been replaced since.
    if (epoch !== world.history.epoch) return;
    batch.fate = "accepted";
    batch.apart = quarantined;
    batch.offset = offset;
  }

  /** A refusal is final, and there are only so many that make sense. */
  private refusedAs(reply: Reply<unknown>, batch: Batch, expected: readonly string[]): string {
    if (reply.kind !== "refusal") return "";
    const { why } = reply;
    // Fenced off, or told that it ended, while an earlier try may have been written.
    if (why._tag === "IllegalTransition") batch.fate = "refused";
    if (why._tag === "Fenced") this.world.sometimes.note("a runner is refused because a newer one holds the run");
    if (!expected.includes(why._tag)) this.world.violate("I18", `${this.name}: ${why._tag} ${why.message}`);
    const mayBeGone = this.world.isRetired || this.world.history.epochs.size > 1;
    if (mayBeGone) return why._tag;
    if (why._tag === "NotFound" && this.isStarted) this.world.violate("L6", `${this.name}: its run is not found`);
    if (why._tag === "Fenced" && !this.mayBeFenced)
      this.world.violate("L14", `${this.name} is fenced off, and nobody has its run with a newer fence`);
    if (why._tag === "RunEnded" && this.isStarted && !this.world.history.hasEnded(streamOf(this.user), this.runId))
      this.world.violate("L2", `${this.name} is told that its run is over, and it has no end`);
    return why._tag;
  }

  /** Somebody has taken the run over since, or may have; or an earlier try of its own claim came late. */
  private get mayBeFenced(): boolean {
    const isNewer = (each: Runner): boolean => each !== this && (each.fence > this.fence || !each.isStarted);
    return this.hasClaimedAgain || this.world.runners.some((each) => each.runId === this.runId && isNewer(each));
  }

  private async beat(): Promise<void> {
    const everyMs = this.world.script.settings.leaseMs / heartbeatsPerLease;
    while (this.isAlive) {
      await this.phone.sleep(everyMs);
      if (!this.isAlive) return;
      const { fence } = this;
      const askedMs = this.world.time.nowMs;
      const reply = await this.phone.call((service) =>
        service.heartbeat(publisher, undefined, asRunId(this.runId), { fence }),
      );
      if (reply.kind !== "answer") continue;
      this.beats.push({ askedMs, answeredMs: this.world.time.nowMs });
      this.isAskedToStop ||= reply.value.cancelRequested === true;
    }
  }

  /** Reads what its run really says. */
  private async learn(): Promise<void> {
    const page = { after: 0, limit: 1_000 };
    const { reply } = await this.phone.settle((service) =>
      service.runEvents(publisher, undefined, asRunId(this.runId), page),
    );
    if (reply.kind !== "answer") return this.stop();
    const memory = replayed(reply.value.events as unknown as readonly Told[], this.script.profile === "strict");
    if ("at" in memory && memory.at !== "over") this.plan.learn(memory);
    else this.stop();
  }

  private async heedStop(): Promise<void> {
    // Once: later answers may be of the time before it said so.
    this.hasHeeded = true;
    this.plan.cancelling();
    const heeds = this.chance.index(3);
    if (heeds === 0) await this.say([{ type: "agent_cancelled", data: { by: "user" } }], true);
    const refusal: Said = { type: "cancel_refused", data: {} };
    if (heeds === 1 && this.plan.accepts(refusal)) await this.say([refusal], true);
  }

  /** It asks how its run looks until a human has answered. */
  private async awaitHuman(): Promise<void> {
    while (this.plan.isWaiting && !this.isDone) {
      await this.phone.sleep(pollMs);
      const reply = await this.phone.call((service) => service.run(publisher, undefined, asRunId(this.runId)));
      if (reply.kind === "refusal" && reply.why._tag === "NotFound") return this.stop();
      if (reply.kind !== "answer") continue;
      if (reply.value.endedBy !== undefined) return this.stop();
      for (const { approvalId, decision } of reply.value.approvals)
        if (decision !== undefined) this.plan.resolved(approvalId);
      // An old copy was put back: what it asked is not asked any more.
      const isAsked = reply.value.approvals.some(({ decision }) => decision === undefined);
      if (!isAsked && this.world.history.epochs.size > 1) return this.stop();
    }
  }

  /** A parent waits for its children, but not for ever. */
  private async finish(): Promise<void> {
    if (this.plan.isWaiting) await this.awaitHuman();
    for (let round = 0; !this.isDone; round += 1) {
      const events = this.plan.ending();
      for (const each of events.slice(0, -1)) if (!this.isDone) await this.say([each], true);
      const last = events.at(-1);
      if (this.isDone || last === undefined) return;
      const before = this.world.words.batches.length;
      await this.say([last], true);
      const fate = this.world.words.batches[before]?.fate;
      if (fate === "accepted") return this.stop();
      this.world.sometimes.note("a parent may not complete while its child lives");
      if (round >= maxWaitForChild || this.world.isHealed)
        await this.say([{ type: "agent_failed", data: { error: { code: "late", message: "child" } } }], true);
      if (round > maxWaitForChild) return this.stop();
      await this.phone.sleep(this.world.isHealed ? hurriedMs : pollMs);
    }
  }

  private stop(): void {
    this.isDone = true;
  }
}

function withMark({ type, data }: Said, mark: string): object {
  if (type === "agent_delta") return { type, data: { ...data, text: `${mark};` }, key: mark };
  return { type, data: { ...data, mark }, key: mark };
}
