/**
 * What outlives the processes of a world: the history that the disk holds, as the writes that made it, so that a power
 * cut can take back what was not synced and a restored copy is an older prefix. One transaction is under way at a time.
 * The rules themselves are the memory log's; `sim-log` stands before it, one per process.
 */
import type { Epoch } from "../../protocol/ids.ts";
import type { Bell, EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import type { Chance } from "./chance.ts";
import { DiskFaults } from "./disk-faults.ts";
import type { Transaction, Write } from "./transaction.ts";
import { apply } from "./transaction.ts";
import type { RareState } from "./sometimes.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** How long the disk takes. Units: ms. */
export interface DiskPace {
  readonly writeMs: number;
  readonly syncMs: number;
}

export interface DiskWatch {
  /** Committed: from now on the log has it. */
  readonly committed: (bell: Bell) => void;
  /** The history that there is from now on. */
  readonly replaced: (truth: EventLog, epoch: Epoch) => Promise<void>;
  /** Something rare has happened here. */
  readonly rare: (state: RareState) => void;
}

/** From the end of a store to the moment in which its users know. */
const breakdownMs = 5;

export class SimDisk {
  truth: EventLog;
  epoch: Epoch;
  readonly faults: DiskFaults;
  /** It answers nothing, and takes nothing. */
  isDown = false;
  watch: DiskWatch = { committed: () => {}, replaced: async () => {}, rare: () => {} };
  private readonly time: VirtualTime;
  private readonly chance: Chance;
  private readonly pace: DiskPace;
  private readonly readers = new Set<(bell: Bell) => void>();
  private history: Write[] = [];
  /** So many of them survive a power cut. */
  private synced = 0;
  /** Something was answered before it was synced: after a power cut nobody can say what readers saw. */
  private owesSync = false;
  private queue: Transaction[] = [];
  private underWay: Transaction | undefined;
  /** Everything of an older life of the machine is void. */
  private life = 0;

  constructor(time: VirtualTime, chance: Chance, pace: DiskPace) {
    this.time = time;
    this.chance = chance;
    this.pace = pace;
    this.faults = new DiskFaults(time);
    [this.truth, this.epoch] = this.blank();
  }

  /** Hears of every commit, also of the other processes'; the answer stops it. */
  listen(reader: (bell: Bell) => void): () => void {
    this.readers.add(reader);
    return () => this.readers.delete(reader);
  }

  submit(transaction: Transaction): void {
    this.queue.push(transaction);
    this.next();
  }

  /** kill -9: what had reached the kernel stays; the transaction in the middle of its write is whole or dropped. */
  abandon(owner: object): void {
    this.queue = this.queue.filter((each) => each.owner !== owner);
    const { underWay } = this;
    if (underWay?.owner !== owner) return;
    if (underWay.isWritten) return this.watch.rare("a transaction survives its process");
    if (this.chance.is(0.5)) return;
    underWay.writes = [];
  }

  /** The machine has no power: what was not synced may be gone, a torn last record is dropped. The answer: what waited. */
  cutPower(): readonly Transaction[] {
    this.life += 1;
    // Whoever brings the power back brings it up.
    this.isDown = false;
    const { underWay } = this;
    const waited = underWay === undefined ? this.queue : [underWay, ...this.queue];
    this.queue = [];
    this.underWay = undefined;
    if (underWay?.isWritten && !underWay.isLazy && this.chance.is(0.5)) this.history.push(...underWay.writes);
    else if (this.owesSync) {
      const before = this.history.length;
      this.history.length = this.chance.whole(this.synced, before);
      if (this.history.length < before) this.watch.rare("a power cut takes what was not synced");
    }
    return waited;
  }

  /** The store ends, and those who use it live on: what they wait for is never answered, and it answers nothing. */
  fall(): void {
    if (this.isDown) return;
    const waited = this.cutPower();
    this.isDown = true;
    this.time.after(breakdownMs, "connections to the store break", () => {
      for (const transaction of waited) transaction.fail("after");
    });
  }

  async rise(): Promise<void> {
    if (!this.isDown) return;
    this.isDown = false;
    await this.powerOn();
  }

  /** Reads what there is. Another epoch where readers may have seen more than that. */
  async powerOn(): Promise<void> {
    const keepsEpoch = !this.owesSync;
    this.owesSync = false;
    await this.reopen(keepsEpoch);
  }

  /** An operator puts a copy back that holds only the first part of what was written. */
  async restore(part: number): Promise<void> {
    this.cutPower();
    this.owesSync = false;
    this.history.length = Math.floor(this.history.length * part);
    await this.reopen(false);
  }

  private async reopen(keepsEpoch: boolean): Promise<void> {
    const { epoch } = this;
    [this.truth, this.epoch] = keepsEpoch ? this.blank(epoch) : this.blank();
    for (const write of this.history) await write(this.truth).catch(() => {});
    this.synced = this.history.length;
    await this.watch.replaced(this.truth, this.epoch);
  }

  /** An empty log; its epoch is drawn, or the one that is given. */
  private blank(epoch?: Epoch): [EventLog, Epoch] {
    const random = (count: number): Uint8Array =>
      epoch === undefined ? this.chance.bytes(count) : Buffer.from(epoch, "base64url");
    let drawn = Buffer.alloc(0);
    const log = memoryLog({ random: (count) => (drawn = Buffer.from(random(count))), onBug: this.time.onThrown });
    return [log, drawn.toString("base64url") as Epoch];
  }

  private next(): void {
    const transaction = this.queue[0];
    if (this.underWay !== undefined || transaction === undefined) return;
    this.queue.shift();
    this.underWay = transaction;
    const refusal = this.isDown ? "before" : this.faults.refusal();
    if (refusal === "full") this.watch.rare("a full disk refuses a write");
    this.later(this.pace.writeMs * this.faults.slowness, () => {
      if (refusal === "before" || refusal === "full") return this.finish(transaction, () => transaction.fail(refusal));
      transaction.isWritten = true;
      if (transaction.isLazy) return this.commit(transaction, refusal === "after");
      this.later(this.pace.syncMs * this.faults.slowness, () => this.commit(transaction, refusal === "after"));
    });
  }

  private commit(transaction: Transaction, answerIsLost: boolean): void {
    const { life } = this;
    const { writes, owner } = transaction;
    void apply(this.truth, writes).then((outcomes) => {
      if (life !== this.life) return;
      this.history.push(...writes);
      if (transaction.isLazy) this.owesSync = true;
      else this.synced = this.history.length;
      for (const { answer } of outcomes) if (answer.ok && isFenced(answer.value)) this.watch.rare(refusedWriter);
      const bells = outcomes.flatMap((outcome) => outcome.bells);
      for (const bell of bells) this.watch.committed(bell);
      this.finish(transaction, () => (answerIsLost ? transaction.fail("after") : transaction.succeed(outcomes)));
      // Who wrote it rings for itself. A writer whose answer was lost does not know that there is something to ring for.
      for (const bell of bells) for (const reader of this.readers) if (reader !== owner.hear) reader(bell);
    });
  }

  private finish(transaction: Transaction, tell: () => void): void {
    if (this.underWay === transaction) this.underWay = undefined;
    tell();
    this.next();
  }

  private later(delayMs: number, task: () => void): void {
    const { life } = this;
    this.time.after(delayMs, "disk", () => {
      if (life === this.life) task();
    });
  }
}

const refusedWriter = "the log refuses a writer that knows an older fence or seq";
function isFenced(value: unknown): boolean {
  const kind = (value as { readonly kind?: string } | undefined)?.kind;
  return kind === "fenced" || kind === "seq_conflict" || kind === "run_ended";
}
