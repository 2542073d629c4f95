/** L9 over compaction and retention: wherever a reader was cut, what it had and what it gets fold to the same picture. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldRunView } from "../machines/run-view.ts";
import type { RunEvent, StreamEvent } from "../protocol/event.ts";
import { asRunId, asTenantId, asUserId, type RunId, streamKey } from "../protocol/ids.ts";
import type { RunView } from "../protocol/run-view.ts";
import type { EventLog, NewEvent, NewRun, ReadLimit } from "../src/log/event-log.ts";
import { memoryLog } from "../src/log/memory.ts";
import { openSqliteLog } from "../src/log/sqlite.ts";
import { eventObject } from "../src/runtime/frames.ts";
import { parameters } from "./support/parameters.ts";

const tenant = asTenantId("t");
const stream = streamKey(tenant, asUserId("u"));
const later = "2100-01-01T00:00:00.000Z";
const record: Omit<NewRun, "runId"> = {
  ...{ tenantId: tenant, stream, agent: "a", profile: "standard", onIllegal: "reject", mode: "regular" },
  ...{ leaseMs: 1_000, startDigest: "d", startedAt: later },
};
const wide: ReadLimit = { maxEvents: 100_000, maxBytes: 2 ** 30 };

/** What one of three runs, or the user's notices, says next. The text may end within a character. */
const said = fc.record({
  who: fc.nat(3),
  what: fc.constantFrom("delta", "delta", "delta", "delta", "thinking", "end"),
  message: fc.constantFrom("m1", "m1", "m1", "m2"),
  channel: fc.constantFrom("text", "text", "reasoning"),
  text: fc.constantFrom("a ", "longer word ", "", "\ud83d", "\ude00", "é", "\u0000"),
  again: fc.nat(3),
});
type Said = typeof said extends fc.Arbitrary<infer Value> ? Value : never;

const story = fc.array(said, { minLength: 5, maxLength: 60 });
const reads = fc.record({ maxEvents: fc.integer({ min: 1, max: 5 }), maxBytes: fc.integer({ min: 1, max: 200 }) });

function newEvent(index: number, type: string, data: unknown): NewEvent {
  // One second after another, so that every place is a place to cut.
  const time = new Date(Date.UTC(2026, 0, 1) + index * 1_000).toISOString();
  return { id: `e${index}`, type, time, data: JSON.stringify(data) };
}

/** Writes the story: each of three is a run that is made when it first speaks, the fourth are the user's notices. */
async function tell(log: EventLog, lines: readonly Said[]): Promise<void> {
  const living = new Map<number, { readonly runId: RunId; seq: number }>();
  let index = 0;
  const next = (type: string, data: unknown): NewEvent => newEvent((index += 1), type, data);
  for (const { who, what, message, channel, text, again } of lines) {
    if (who === 3) {
      await log.append({ stream, events: [next("x.note", {})] });
      continue;
    }
    let run = living.get(who);
    if (run === undefined) {
      run = { runId: asRunId(`run-${index}`), seq: 1 };
      living.set(who, run);
      const begin = next("agent_started", { agent: "a" });
      const create = { ...record, runId: run.runId };
      await log.append({
        stream,
        events: [begin],
        run: { tenantId: tenant, runId: run.runId, expectedSeq: 0, create },
      });
    }
    const events = Array.from({ length: what === "delta" ? 1 + again : 1 }, () => {
      if (what === "delta") return next("agent_delta", { messageId: message, channel, text });
      return next(what === "end" ? "agent_completed" : "agent_thinking", {});
    });
    const ended = what === "end" ? ("completed" as const) : undefined;
    const place = { tenantId: tenant, runId: run.runId, expectedSeq: run.seq };
    const answer = await log.append({ stream, events, run: { ...place, ended } });
    if (answer.kind !== "appended") throw new Error(answer.kind);
    run.seq = answer.seq;
    if (ended !== undefined) living.delete(who);
  }
}

/** The picture of every run, and everything that is no run's, in order. */
class Picture {
  readonly views: Record<string, RunView> = {};
  readonly notices: number[] = [];
  last = 0;

  take(events: readonly StreamEvent[]): this {
    for (const event of events) {
      if (event.offset <= this.last) throw new Error(`offset ${event.offset} came after ${this.last}`);
      this.last = event.offset;
      if (event.runId === undefined) this.notices.push(event.offset);
      else this.views[event.runId] = foldRunView(this.views[event.runId], event as RunEvent);
    }
    return this;
  }

  get all(): unknown {
    return { views: this.views, notices: this.notices };
  }
}

async function readOn(log: EventLog, after: number, limit: ReadLimit): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for (let at = after; ; ) {
    const slice = await log.read(stream, at, limit);
    events.push(...slice.events.map(eventObject));
    if (slice.upto >= slice.head) return events;
    expect(slice.upto).toBeGreaterThan(at);
    at = slice.upto;
  }
}

async function check(
  log: EventLog,
  lines: readonly Said[],
  limit: ReadLimit,
  slice: number,
  oldUpto: number,
): Promise<void> {
  await tell(log, lines);
  const raw = await readOn(log, 0, wide);
  const whole = new Picture().take(raw).all;
  const head = raw.length;
  // Of half of them, so that both kinds stand side by side; then of all.
  for (const endedBefore of [newEvent(head / 2, "", {}).time, later]) {
    for (let more = true; more; ) ({ more } = await log.compact({ endedBefore, maxEvents: slice }));
    for (let cut = 0; cut <= head; cut += 1) {
      const rest = await readOn(log, cut, limit);
      expect(new Picture().take(raw.slice(0, cut)).take(rest).all, `cut at ${cut}`).toEqual(whole);
    }
    expect(await log.ledger()).toEqual({ accepted: head, acked: 0, stored: head, deadLettered: 0 });
  }

  const before = newEvent(oldUpto, "", {}).time;
  let after: string | undefined;
  do {
    const { next } = await log.retire({ before, now: later, maxEvents: slice, after });
    after = next ?? undefined;
  } while (after !== undefined);
  const { first } = await log.position(stream);
  expect(first).toBeLessThanOrEqual(Math.max(oldUpto, 1) + 1);
  expect(await log.ledger()).toMatchObject({ accepted: head, stored: head + 1 - first, deadLettered: first - 1 });
  // What is left is whole: each run that has an event has all of them, and none that has lost one has any.
  const left = await readOn(log, 0, limit);
  const runs = new Set(left.flatMap(({ runId }) => runId ?? []));
  for (const event of raw) {
    if (event.runId === undefined) continue;
    expect(runs.has(event.runId)).toBe((await log.run(tenant, event.runId)) !== undefined);
    if (event.offset < first) expect(runs.has(event.runId)).toBe(false);
  }
  const picture = whole as { readonly views: Readonly<Record<string, RunView>> };
  const { views } = new Picture().take(left);
  for (const [runId, view] of Object.entries(views)) expect(view).toEqual(picture.views[runId]);
}

describe("L9 convergence over compaction and retention", () => {
  it("holds for the memory log, wherever a reader is cut and however it reads on", async () => {
    await fc.assert(
      fc.asyncProperty(
        story,
        reads,
        fc.integer({ min: 1, max: 40 }),
        fc.nat(80),
        async (lines, limit, slice, oldUpto) => {
          await expect(check(memoryLog(), lines, limit, slice, oldUpto)).resolves.toBeUndefined();
        },
      ),
      parameters(25),
    );
  });

  it("holds for the SQLite log", async () => {
    await fc.assert(
      fc.asyncProperty(
        story,
        reads,
        fc.integer({ min: 1, max: 40 }),
        fc.nat(80),
        async (lines, limit, slice, oldUpto) => {
          const folder = await mkdtemp(join(tmpdir(), "runcast-l9-"));
          const log = await openSqliteLog({ path: join(folder, "log.db") });
          try {
            await expect(check(log, lines, limit, slice, oldUpto)).resolves.toBeUndefined();
          } finally {
            await log.close();
            await rm(folder, { recursive: true });
          }
        },
      ),
      parameters(3),
    );
  });
});
