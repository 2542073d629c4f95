/**
 * A walk of the model, taken by the real runtime over a real SQLite file. After each step that has an outcome, the
 * outcome must be the model's: who is fenced, which offset an event got, what a resume answers, what a device is handed,
 * what counts as acknowledged.
 */
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect, isDeepStrictEqual } from "node:util";
import * as Effect from "effect/Effect";
import { decodePublish } from "../../protocol/codec.ts";
import type { StreamEvent } from "../../protocol/event.ts";
import type { Cursor } from "../../protocol/ids.ts";
import { asRunId, asTenantId, asUserId, streamKey } from "../../protocol/ids.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import type { RuntimeParts } from "../../src/runtime/runtime-parts.ts";
import { makeRuntime } from "../../src/runtime/make-runtime.ts";
import type { Connection } from "../../src/runtime/runtime.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { publisher, RecordingTransport, userOf } from "../../test/support/runtime-under-test.ts";
import type { CommittedLog } from "./committed-log.ts";
import { committedLog } from "./committed-log.ts";

const runId = asRunId("the-run");
const stream = streamKey(asTenantId("default"), asUserId("ann"));
/** The run's own `agent_started` stands before the events of the model. */
const firstOffset = 1;
const settleTurns = 6;
/** More looks than any answer of a file on this machine takes. */
const maxLooks = 2_000;

interface Asked {
  readonly answer: Promise<{ readonly offset: number }>;
}

export class Replay {
  private readonly folder: string;
  private file: EventLog;
  private log: CommittedLog;
  private parts: RuntimeParts;
  private readonly clock = manualClock();
  /** By runner. */
  private readonly fences: (number | undefined)[] = [];
  private readonly asked = new Map<string, Asked>();
  private line: { readonly transport: RecordingTransport; readonly connection: Connection } | undefined;
  private taken = 0;
  private cursor: Cursor | undefined;

  private constructor(folder: string, file: EventLog) {
    this.folder = folder;
    this.file = file;
    [this.log, this.parts] = this.boot();
  }

  /** Answers how many steps were taken. Fails: at the first whose outcome is another than the model's. */
  static async walk(steps: readonly (readonly string[])[]): Promise<number> {
    const folder = await mkdtemp(join(tmpdir(), "runcast-replay-"));
    const file = await openSqliteLog({ path: join(folder, "log.db") });
    const replay = new Replay(folder, file);
    try {
      await replay.begin();
      for (const [index, [name = "", ...words]] of steps.entries()) {
        const told = steps.slice(0, index + 1).map((step) => step.join(" "));
        await replay.step(name, words, told.join("\n"));
      }
      return steps.length;
    } finally {
      await replay.file.close();
      await rm(folder, { recursive: true });
    }
  }

  private async begin(): Promise<void> {
    const started = Effect.runPromise(this.parts.service.startRun(publisher, { userId: "ann", agent: "a", runId }));
    await this.settle();
    await this.log.commit();
    this.fences[0] = (await started).answer.fence;
  }

  private async step(name: string, words: readonly string[], told: string): Promise<void> {
    const [first = "", second = "", third = ""] = words;
    switch (name) {
      case "append":
        return this.append(Number(first), second, third, told);
      case "answer": {
        const { offset } = (await this.asked.get(second)?.answer) ?? { offset: Number.NaN };
        return same(told, offset - firstOffset, Number(third));
      }
      case "claim": {
        const claim = await Effect.runPromise(this.parts.service.claim(publisher, undefined, runId));
        this.fences[Number(first)] = claim.fence;
        return;
      }
      case "commit":
        await this.log.commit();
        return same(told, await this.head(), Number(first));
      case "crash":
        return this.crash();
      case "copy":
        return this.copy();
      case "restore":
        await this.restore();
        return same(told, await this.head(), Number(first));
      case "connect":
        return this.connect(first, Number(second), told);
      case "cut":
        return this.cut();
      case "take":
        return this.take(Number(first), second, told);
      case "ack":
        this.line?.connection.receive({ type: "ack", offset: Number(first) + firstOffset });
        return this.settle();
      case "end": {
        const { accepted, acked, stored } = await Effect.runPromise(
          this.parts.service.ledger(publisher, { userId: asUserId("ann") }),
        );
        return same(
          told,
          { accepted, acked, stored },
          {
            accepted: Number(first) + firstOffset,
            acked: Number(first) + firstOffset,
            stored: 0,
          },
        );
      }
      default:
        throw new Error(`the model says "${name}"`);
    }
  }

  private async append(runner: number, id: string, outcome: string, told: string): Promise<void> {
    const body = { fence: this.fences[runner], events: [{ type: "x.said", data: { id }, key: `k${id}` }] };
    const decoded = decodePublish(JSON.stringify(body));
    if (!decoded.ok) throw new Error(decoded.issue.message);
    const { waiting } = this.log;
    const answer = Effect.runPromise(this.parts.service.publish(publisher, undefined, runId, decoded.value));
    let refused: unknown;
    answer.catch((cause: unknown) => {
      refused = cause;
    });
    // A fenced runner is told at once; whoever is not waits for the commit.
    await this.until(() => refused !== undefined || outcome === "known" || this.log.waiting > waiting);
    if (outcome === "fenced") return same(told, Reflect.get(Object(refused), "_tag"), "Fenced");
    same(told, refused, undefined);
    this.asked.set(id, { answer });
  }

  private async connect(resumed: string, at: number, told: string): Promise<void> {
    const transport = new RecordingTransport();
    const connection = await Effect.runPromise(this.parts.service.open({ transport }));
    this.line = { transport, connection };
    this.taken = 0;
    const place = this.cursor ? { cursor: this.cursor } : { from: "start" as const };
    connection.receive({ type: "hello", token: "ann", device: "d", ...place });
    await this.until(() => transport.frames.some(({ type }) => type === "welcome"));
    const welcome = transport.frames.find((frame) => frame.type === "welcome");
    same(told, welcome?.resumed, resumed);
    const { epoch = "" } = welcome ?? {};
    if (resumed === "replayed") same(told, this.cursor?.offset, this.offset(at));
    if (resumed === "fresh") this.cursor = { epoch: epoch as Cursor["epoch"], offset: 0 };
    if (resumed === "gap") {
      const gap = transport.frames.find((frame) => frame.type === "gap");
      same(told, gap && [gap.reason, gap.upto], ["epoch", at + firstOffset]);
      this.cursor = { epoch: epoch as Cursor["epoch"], offset: at + firstOffset };
    }
  }

  /** Of the model's cursor: 0 is before the run's own first event as long as that was not taken. */
  private offset(at: number): number {
    return at === 0 ? (this.cursor?.offset ?? 0) : at + firstOffset;
  }

  private async take(at: number, id: string, told: string): Promise<void> {
    const next = (): StreamEvent | undefined => {
      const events = (this.line?.transport.frames ?? []).flatMap((frame) =>
        frame.type === "events" ? frame.events : [],
      );
      return events.filter(({ type }) => type === "x.said")[this.taken];
    };
    await this.until(() => next() !== undefined);
    const event = next();
    this.taken += 1;
    same(told, event?.offset, at + firstOffset);
    same(told, event?.data, { id });
    if (this.cursor) this.cursor = { ...this.cursor, offset: at + firstOffset };
  }

  private cut(): void {
    if (this.line) this.line.transport.gone = true;
    this.line?.connection.closed();
    this.line = undefined;
  }

  private crash(): void {
    this.log.crash();
    this.cut();
    [this.log, this.parts] = this.boot();
  }

  private async copy(): Promise<void> {
    for (const end of ["", "-wal"]) await copyFile(this.path(end), this.path(`${end}.copy`));
  }

  private async restore(): Promise<void> {
    this.log.crash();
    this.cut();
    await this.file.close();
    for (const end of ["", "-wal"]) await copyFile(this.path(`${end}.copy`), this.path(end));
    this.file = await openSqliteLog({ path: this.path("") });
    [this.log, this.parts] = this.boot();
  }

  private path(end: string): string {
    return join(this.folder, `log.db${end}`);
  }

  private boot(): [CommittedLog, RuntimeParts] {
    const log = committedLog(this.file);
    const authenticate = async (token: string) => userOf(token, this.clock.now());
    const parts = makeRuntime({ log, clock: this.clock, authenticate });
    void parts.start();
    return [log, parts];
  }

  private async head(): Promise<number> {
    return (await this.file.position(stream)).head - firstOffset;
  }

  private async settle(): Promise<void> {
    for (let turn = 0; turn < settleTurns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  private async until(holds: () => boolean): Promise<void> {
    await this.settle();
    for (let look = 0; look < maxLooks && !holds(); look += 1) {
      // A read of the file answers from another thread.
      await this.file.position(stream);
      await this.settle();
    }
  }
}

function same(told: string, got: unknown, wanted: unknown): void {
  if (isDeepStrictEqual(got, wanted)) return;
  throw new Error(`the code leaves the model: ${inspect(got)} instead of ${inspect(wanted)} after\n${told}`);
}
