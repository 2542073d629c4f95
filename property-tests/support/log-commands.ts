/**
 * Commands over the whole event-log port, for whoever holds two logs against each other (L15): what is not determined (the
 * epoch, opaque cursors, the order of what has none) is taken out of the answers, everything else is compared.
 */
import * as fc from "fast-check";
import type { RunId, StreamKey } from "../../protocol/ids.ts";
import { asDeviceId, asEpoch } from "../../protocol/ids.ts";
import { tierNames } from "../../protocol/tier-rules.ts";
import { type RetireTiers, tierKind } from "../../src/log/housekeeping.ts";
import type { EventLog, NewEvent, ReadLimit, RunRecord } from "../../src/log/event-log.ts";
import type { MoveOutbox, OutboxRow, OutboxState } from "../../src/log/outbox.ts";
import { alice, bob, newRun, run1, run2, tenant } from "../../src/testing/event-log/sample.ts";

const streams = [alice, bob] as const;
const runs = [run1, run2] as const;
type Owner = Parameters<EventLog["knownKeys"]>[0];
const owners: readonly Owner[] = [
  ...runs.map((runId) => ({ tenantId: tenant, runId })),
  ...streams.map((stream) => ({ stream })),
];
const devices = [asDeviceId("phone"), asDeviceId("tab")] as const;
const states: readonly OutboxState[] = ["waiting", "trying", "exhausted", "told"];
const endings = ["completed", "failed", "cancelled", "interrupted"] as const;
const startMs = Date.parse("2026-11-21T10:00:00.000Z");
const minuteMs = 60_000;

/** What a command knows of the log that it is about to be given to: the same for all, because it is read off the first. */
export interface Known {
  readonly record: (runId: RunId) => Promise<RunRecord | undefined>;
  readonly rows: () => Promise<readonly OutboxRow[]>;
  readonly head: (stream: StreamKey) => Promise<number>;
  /** ISO 8601 UTC, a minute later with each command. */
  readonly time: string;
  readonly step: number;
}

/** Done to a log, it answers with what must be the same everywhere. */
export type Done = (log: EventLog) => Promise<unknown>;
/** What is to be done, once it is known where the log stands. */
export type Command = (known: Known) => Promise<Done>;

const nat = (max: number) => fc.nat(max);
const pick = <Value>(...values: readonly Value[]) => fc.constantFrom(...values);

const ofTime = (step: number): string => new Date(startMs + step * minuteMs).toISOString();

/** The shapes of events: with a key or without, a delta or not, small or not. */
const content = fc.record({
  type: pick("agent_thinking", "agent_delta", "agent_delta", "x.note"),
  key: pick(undefined, undefined, "a", "b", "c"),
  digest: pick("one", "two"),
  text: pick("", "x", "ü\u2028", "y".repeat(200)),
  repaired: pick(undefined, undefined, true),
});
type Content = typeof content extends fc.Arbitrary<infer Value> ? Value : never;

function eventsOf(contents: readonly Content[], { time, step }: Known): readonly NewEvent[] {
  const used = new Set<string>();
  return contents.map(({ type, key, digest, text, repaired }, index) => {
    const isFree = key !== undefined && !used.has(key);
    if (isFree) used.add(key);
    const data = type === "agent_delta" ? { messageId: "m", channel: "text", text } : { text };
    return {
      id: `e${step}-${index}`,
      type,
      time,
      data: JSON.stringify(data),
      threadId: text === "x" ? "thread" : undefined,
      repaired,
      key: isFree ? { name: key, digest } : undefined,
    };
  });
}

const appended = (answer: Awaited<ReturnType<EventLog["append"]>>): unknown =>
  answer.kind === "appended"
    ? { ...answer, epoch: undefined }
    : answer.kind === "run_exists"
      ? { ...answer, run: plain(answer.run) }
      : answer;

/** Absent and undefined are one thing, and fields have no order. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value ?? null;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  const sorted = fields.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, field]) => [name, plain(field)]));
}
const unordered = (values: readonly unknown[]): readonly unknown[] =>
  values.map(plain).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
const placed = <Where extends { readonly epoch: unknown }>(where: Where): unknown => ({
  ...where,
  epoch: asEpoch("-"),
});

async function drained<Page extends { readonly next: string | null }, Item>(
  page: (cursor: string | undefined) => Promise<Page>,
  items: (page: Page) => readonly Item[],
): Promise<readonly Item[]> {
  const found: Item[] = [];
  for (let cursor: string | undefined; ; ) {
    const answer = await page(cursor);
    found.push(...items(answer));
    if (answer.next === null) return found;
    cursor = answer.next;
  }
}

const limits: fc.Arbitrary<ReadLimit> = fc.record({
  maxEvents: pick(1, 2, 3, 1_000),
  maxBytes: pick(1, 150, 1_000_000),
});

const append: fc.Arbitrary<Command> = fc
  .record({
    runId: pick(...runs),
    where: pick(0, 0, 0, 1),
    contents: fc.array(content, { minLength: 1, maxLength: 4 }),
    /** From where the run stands. */
    seqBy: pick(0, 0, 0, 0, 1, -1),
    fence: pick("right", "right", "right", "wrong", "none"),
    ended: pick(undefined, undefined, undefined, undefined, ...endings),
    approvals: pick(undefined, ["p"], ["p", "q"]),
    escalate: fc.boolean(),
    durability: pick("fsync" as const, "os" as const),
  })
  .map((drawn) => async (known) => {
    const record = await known.record(drawn.runId);
    const events = eventsOf(drawn.contents, known);
    const stream = record && drawn.where === 0 ? record.stream : (streams[drawn.where] ?? alice);
    const run =
      record === undefined
        ? {
            tenantId: tenant,
            runId: drawn.runId,
            expectedSeq: 0,
            create: newRun(drawn.runId, stream, { startedAt: known.time }),
          }
        : {
            tenantId: tenant,
            runId: drawn.runId,
            expectedSeq: Math.max(1, record.seq + drawn.seqBy),
            fence: drawn.fence === "none" ? undefined : record.fence + (drawn.fence === "wrong" ? 1 : 0),
            ended: drawn.ended,
            approvals: drawn.approvals,
          };
    const ask = {
      stream,
      events,
      run,
      escalate: drawn.escalate ? [events.length - 1] : undefined,
      durability: drawn.durability,
    };
    return async (log) => appended(await log.append(ask));
  });

/** A run that may be there is made again. */
const create: fc.Arbitrary<Command> = fc
  .record({
    runId: pick(...runs),
    stream: pick(...streams),
    contents: fc.array(content, { minLength: 1, maxLength: 2 }),
  })
  .map(({ runId, stream, contents }) => async (known) => {
    const events = eventsOf(contents, known);
    const run = { tenantId: tenant, runId, expectedSeq: 0, create: newRun(runId, stream, { startedAt: known.time }) };
    return async (log) => appended(await log.append({ stream, events, run }));
  });

const notice: fc.Arbitrary<Command> = fc
  .record({
    stream: pick(...streams),
    contents: fc.array(content, { minLength: 1, maxLength: 3 }),
    escalate: fc.boolean(),
  })
  .map(({ stream, contents, escalate }) => async (known) => {
    const events = eventsOf(contents, known);
    return async (log) => appended(await log.append({ stream, events, escalate: escalate ? [0] : undefined }));
  });

/** Who is in which tier, and how long ago is too long for each. */
const tiered: fc.Arbitrary<(step: number) => RetireTiers> = fc
  .record({
    ago: fc.record({ free: nat(8), early: nat(8), mid: nat(8), enterprise: nat(8) }),
    default: pick(...tierNames),
    ofTenant: pick(undefined, ...tierNames),
    ofBob: pick(undefined, ...tierNames),
  })
  .map((drawn) => (step) => {
    const before = (ago: number): string => ofTime(Math.max(0, step - ago));
    const { free, early, mid, enterprise } = drawn.ago;
    return {
      before: { free: before(free), early: before(early), mid: before(mid), enterprise: before(enterprise) },
      default: drawn.default,
      rules: {
        tenants: drawn.ofTenant && { [tenant]: drawn.ofTenant },
        users: drawn.ofBob && { [tenant]: { bob: drawn.ofBob } },
      },
    };
  });

const change: fc.Arbitrary<Command> = fc.oneof(
  pick(...runs).map((runId) => async () => async (log: EventLog) => log.claim(tenant, runId)),
  fc
    .record({ stream: pick(...streams), device: pick(...devices), back: nat(4) })
    .map(({ stream, device, back }) => async ({ head }: Known) => {
      const offset = Math.max(0, (await head(stream)) + 1 - back);
      return async (log: EventLog) => log.saveCursors([{ stream, device, offset }]);
    }),
  fc
    .record({ stream: pick(...streams), runId: pick(...runs) })
    .map(({ stream, runId }) => async ({ time, step }: Known) => {
      const entry = { stream, tenantId: tenant, runId, type: "x.late", data: `{"step":${step}}`, reason: "late", time };
      return async (log: EventLog) => log.quarantine(entry);
    }),
  fc
    .record({
      key: pick("a", "ab", "b", "ä"),
      value: pick("{}", '{"v":1}', undefined),
      expected: pick(undefined, 0, 1, 2),
    })
    .map((put) => async () => async (log: EventLog) => log.putDocument({ kind: "kept", ...put })),
  fc
    .record({ at: nat(9), by: pick(0, 0, 1), to: pick(undefined, ...states), unlessAcked: fc.boolean() })
    .map(({ at, by, to, unlessAcked }) => async ({ rows, step }: Known) => {
      const there = await rows();
      const row = there[at % Math.max(1, there.length)];
      const move: MoveOutbox = {
        stream: row?.stream ?? alice,
        offset: row?.offset ?? 1,
        version: (row?.version ?? 1) + by,
        ...{ to, unlessAcked, note: to === undefined ? undefined : `moved ${step}` },
      };
      return async (log: EventLog) => log.moveOutbox(move);
    }),
  fc
    .record({ ago: nat(8), tiers: fc.option(tiered, { nil: undefined }) })
    .map(({ ago, tiers }) => async ({ step, time }: Known) => async (log: EventLog) => {
      const ask = { before: ofTime(Math.max(0, step - ago)), now: time, maxEvents: 1_000, tiers: tiers?.(step) };
      const streamsOf = (page: Awaited<ReturnType<EventLog["retire"]>>) => page.streams;
      return unordered(await drained((after) => log.retire({ ...ask, after }), streamsOf));
    }),
  fc
    .record({ stream: pick(...streams), tier: pick(undefined, "platinum", ...tierNames) })
    .map(({ stream, tier }) => async () => async (log: EventLog) => {
      const value = tier === undefined ? undefined : JSON.stringify(tier);
      return log.putDocument({ kind: tierKind, key: stream, value });
    }),
  nat(4).map((ago) => async ({ step }: Known) => async (log: EventLog) => {
    let total = 0;
    for (let more = true; more; ) {
      const answer = await log.compact({ endedBefore: ofTime(Math.max(0, step - ago)), maxEvents: 1_000 });
      total += answer.merged;
      ({ more } = answer);
    }
    return total;
  }),
);

const look: fc.Arbitrary<Done> = fc.oneof(
  fc.record({ stream: pick(...streams), after: nat(20), limit: limits }).map(
    ({ stream, after, limit }) =>
      async (log: EventLog) =>
        placed(await log.read(stream, after, limit)),
  ),
  fc.record({ runId: pick(...runs), after: nat(12), limit: limits }).map(
    ({ runId, after, limit }) =>
      (log: EventLog) =>
        log.readRun(tenant, runId, after, limit),
  ),
  pick(...streams).map((stream) => async (log: EventLog) => {
    const living = await log.living(stream);
    return placed({ ...living, runs: unordered(living.runs) });
  }),
  fc.record({ stream: pick(undefined, ...streams), living: pick(undefined, true, false), limit: pick(1, 2, 10) }).map(
    (query) => (log: EventLog) =>
      drained(
        (before) => log.runs({ ...query, before }),
        (page) => page.runs,
      ),
  ),
  fc.record({ owner: pick(...owners), names: fc.subarray(["a", "b", "c"]) }).map(
    ({ owner, names }) =>
      async (log: EventLog) =>
        unordered([...(await log.knownKeys(owner, names))]),
  ),
  fc.record({ id: pick("p", "q"), stream: pick(undefined, ...streams) }).map(
    ({ id, stream }) =>
      (log: EventLog) =>
        log.approval(tenant, id, stream),
  ),
  fc
    .record({ prefix: pick(undefined, "a", "ä"), after: pick(undefined, "a", "b"), limit: pick(1, 10) })
    .map((query) => (log: EventLog) => log.documents({ kind: "kept", ...query })),
  fc
    .record({
      stream: pick(undefined, ...streams),
      states: fc.option(fc.subarray([...states], { minLength: 1 }), { nil: undefined }),
    })
    .map(
      (query) => (log: EventLog) =>
        drained(
          (after) => log.outbox({ ...query, after, limit: 2 }),
          (page) => page.rows,
        ),
    ),
);

const lookCommand: fc.Arbitrary<Command> = look.map((done) => async () => done);

export const commands: fc.Arbitrary<readonly Command[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: append },
    { weight: 1, arbitrary: create },
    { weight: 3, arbitrary: notice },
    { weight: 6, arbitrary: change },
    { weight: 6, arbitrary: lookCommand },
  ),
  { maxLength: 60, size: "max" },
);

/** All that a log holds, by every way to ask it. */
export async function everything(log: EventLog): Promise<unknown> {
  const wide = { maxEvents: 1_000, maxBytes: 2 ** 24 };
  const ofStreams = streams.map(async (stream) => ({
    slice: placed(await log.read(stream, 0, wide)),
    cursors: await Promise.all(devices.map((device) => log.cursor(stream, device))),
    ledger: await log.ledger(stream),
  }));
  const letters = await drained(
    (before) => log.deadLetters({ before, limit: 3 }),
    (page) => page.entries,
  );
  return plain({
    streams: await Promise.all(ofStreams),
    runs: await Promise.all(runs.map((runId) => log.run(tenant, runId))),
    ledger: await log.ledger(),
    letters: unordered(letters),
  });
}

/** Does the same to all of them, and holds their answers against the first one's. */
export async function compare(
  logs: readonly { readonly name: string; readonly log: EventLog }[],
  drawn: readonly Command[],
  hold: (name: string, step: number, answer: unknown, right: unknown) => void,
): Promise<void> {
  const [first, ...others] = logs;
  if (first === undefined) return;
  const { log } = first;
  const sort = (row: OutboxRow): string => `${row.stream} ${String(row.offset).padStart(9, "0")}`;
  for (const [step, command] of drawn.entries()) {
    const done = await command({
      record: (runId) => log.run(tenant, runId),
      rows: async () => (await log.outbox({ limit: 100 })).rows.toSorted((a, b) => (sort(a) < sort(b) ? -1 : 1)),
      head: async (stream) => (await log.position(stream)).head,
      ...{ time: ofTime(step), step },
    });
    const right = plain(await done(log));
    for (const other of others) hold(other.name, step, plain(await done(other.log)), right);
  }
  const right = await everything(log);
  for (const other of others) hold(other.name, drawn.length, await everything(other.log), right);
}
