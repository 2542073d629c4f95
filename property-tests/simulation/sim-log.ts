/**
 * The event log as one process of the world sees it: writes wait for each other and become one transaction of
 * `sim-disk`, reads come back late, answers enter the process like everything from outside and never reach a dead one.
 */
import { LogFull, LogUnavailable } from "../../src/errors.ts";
import { assertAppend } from "../../src/log/append-rules.ts";
import { bells } from "../../src/log/bells.ts";
import { logClosed } from "../../src/log/closed.ts";
import type { Append, Appended, Bell, EventLog } from "../../src/log/event-log.ts";
import type { Chance } from "./chance.ts";
import { simBellLine } from "./sim-bell-line.ts";
import type { SimDisk } from "./sim-disk.ts";
import type { SimProcess } from "./sim-process.ts";
import type { StoreLine } from "./store-line.ts";
import type { Outcome, Write } from "./transaction.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface SimLogPace {
  /** A read takes up to this. */
  readonly readMs: number;
  /** What another process wrote is heard within this. */
  readonly foreignBellMs: number;
}

interface Waiting {
  readonly write: Write;
  readonly isLazy: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (cause: unknown) => void;
}

export interface SimLogTerms {
  readonly time: VirtualTime;
  readonly disk: SimDisk;
  readonly process: SimProcess;
  readonly chance: Chance;
  readonly pace: SimLogPace;
  /** Hears what a listener of `watch` threw. */
  readonly onBug: (cause: unknown) => void;
  /** To a store that other processes write to as well. Undefined: it belongs to this one. */
  readonly line?: StoreLine | undefined;
  /** Hears what its appends came to. */
  readonly onAppended?: ((append: Append, answer: Appended) => void) | undefined;
}

const retryAfterMs = 1_000;
/** A call that hears nothing from the store is given up then. */
const givesUpMs = 2_000;
const noAnswer = "the store does not answer";
const lostShare = 0.5;
const full = (): LogFull => new LogFull({ message: "no room", retryAfterMs });
const unknown = (message: string): LogUnavailable => new LogUnavailable({ message, retryAfterMs });

export function simLog(terms: SimLogTerms): EventLog & { kill(): void } {
  const { time, disk, process, chance, pace, onBug, line, onAppended } = terms;
  const listeners = bells(onBug);
  const bellLine =
    line &&
    simBellLine({
      ...{ time, process, chance, line, bellMs: pace.foreignBellMs, rare: disk.watch.rare },
      ring: (bell) => listeners.ring(bell),
      positions: (streams) => read((log) => Promise.all(streams.map((stream) => log.position(stream)))),
    });
  let waiting: Waiting[] = [];
  let isCommitting = false;
  let isClosed = false;
  let idle: (() => void)[] = [];

  const owner = {
    // What another process wrote is heard without its events.
    hear: (bell: Bell): void => {
      if (bellLine) return bellLine.hear(bell);
      const { stream, epoch, head } = bell;
      time.after(chance.between(0, pace.foreignBellMs), `${process.name} hears a bell`, () =>
        process.enter("bells", () => listeners.ring({ stream, epoch, head })),
      );
    },
  };
  const stopListening = disk.listen(owner.hear);

  function commitNext(): void {
    if (isCommitting) return;
    const group = waiting;
    waiting = [];
    if (group.length === 0) {
      for (const done of idle.splice(0)) done();
      return;
    }
    isCommitting = true;
    const done = (settle: (one: Waiting, at: number) => void): void => {
      if (process.isStopped) disk.watch.rare("an answer of the log comes to a process that slept");
      process.enter("log", () => {
        isCommitting = false;
        group.forEach(settle);
        commitNext();
      });
    };
    const giveUp = (): void => {
      time.after(givesUpMs, `${process.name} gives a write up`, () => done(({ reject }) => reject(unknown(noAnswer))));
    };
    if (line?.isCut) return giveUp();
    disk.submit({
      owner,
      writes: group.map(({ write }) => write),
      isLazy: group.every(({ isLazy }) => isLazy),
      isWritten: false,
      succeed: (outcomes) => {
        if (!line?.isCut && !(line?.losesAnswers && chance.is(lostShare)))
          return done((one, at) => settle(one, outcomes[at]));
        disk.watch.rare("a node never hears that the store has written what it said");
        giveUp();
      },
      fail: (refusal) => done(({ reject }) => reject(refusal === "full" ? full() : unknown(refusal))),
    });
  }

  function settle({ resolve, reject }: Waiting, outcome: Outcome | undefined): void {
    for (const bell of outcome?.bells ?? []) {
      bellLine?.advanced(bell);
      listeners.ring(bell);
    }
    if (outcome?.answer.ok === true) resolve(outcome.answer.value);
    else reject(outcome?.answer.cause);
  }

  function write(run: Write, isLazy = false): Promise<never> {
    if (isClosed) return Promise.reject(logClosed());
    return new Promise<unknown>((resolve, reject) => {
      if (waiting.push({ write: run, isLazy, resolve, reject }) === 1) queueMicrotask(commitNext);
    }) as Promise<never>;
  }

  function read<Value>(ask: (log: EventLog) => Promise<Value>): Promise<Value> {
    if (isClosed) return Promise.reject(logClosed());
    const delay = (): number => chance.between(0, pace.readMs) * disk.faults.slowness;
    return new Promise((resolve, reject) => {
      time.after(delay(), "read asked", () => {
        const isCut = line?.isCut === true;
        const isDeaf = disk.faults.isDeaf || disk.isDown || isCut;
        const found = isDeaf ? Promise.reject(unknown("the disk does not answer")) : ask(disk.truth);
        const answered = (task: () => void): (() => void) =>
          time.after(delay() + (isCut ? givesUpMs : 0), "read answered", () => process.enter("reads", task));
        found.then(
          (value) => answered(() => resolve(value)),
          (cause: unknown) => answered(() => reject(cause)),
        );
      });
    });
  }

  return {
    ...(bellLine && { isShared: true, follow: bellLine.follow }),
    append: async (append: Append) => {
      const answer: Appended = await write(async (log) => {
        assertAppend(append);
        return log.append(append);
      }, append.durability === "os");
      onAppended?.(append, answer);
      return answer;
    },
    claim: (...run) => write((log) => log.claim(...run)),
    saveCursors: (cursors) => write((log) => log.saveCursors(cursors)),
    quarantine: (entry) => write((log) => log.quarantine(entry)),
    putDocument: (put) => write((log) => log.putDocument(put)),
    documents: (query) => read((log) => log.documents(query)),
    outbox: (query) => read((log) => log.outbox(query)),
    moveOutbox: (move) => write((log) => log.moveOutbox(move)),
    retire: (ask) => write((log) => log.retire(ask)),
    compact: (ask) => write((log) => log.compact(ask)),
    deadLetters: (query) => read((log) => log.deadLetters(query)),
    position: (stream) => read((log) => log.position(stream)),
    read: (...range) => read((log) => log.read(...range)),
    living: (stream) => read((log) => log.living(stream)),
    run: (...run) => read((log) => log.run(...run)),
    runs: (query) => read((log) => log.runs(query)),
    readRun: (...range) => read((log) => log.readRun(...range)),
    knownKeys: (...names) => read((log) => log.knownKeys(...names)),
    approval: (...approval) => read((log) => log.approval(...approval)),
    cursor: (...device) => read((log) => log.cursor(...device)),
    ledger: (stream) => read((log) => log.ledger(stream)),
    watch: (listener) => listeners.watch(listener),
    close: async () => {
      isClosed = true;
      if (isCommitting || waiting.length > 0) await new Promise<void>((resolve) => idle.push(resolve));
      stopListening();
      bellLine?.close();
      listeners.clear();
    },
    kill: () => {
      isClosed = true;
      bellLine?.close();
      waiting = [];
      idle = [];
      stopListening();
      disk.abandon(owner);
    },
  };
}
