/** The laws of retention by tier: each stream is cut at the moment of its owner's tier, whoever said which that is. */
import { asUserId, type StreamKey, streamKey } from "../../../protocol/ids.ts";
import type { TierName } from "../../../protocol/tier-rules.ts";
import type { EventLog } from "../../log/event-log.ts";
import { type Retire, type RetiredRange, type RetireTiers, tierKind } from "../../log/housekeeping.ts";
import type { LawBook } from "./law.ts";
import { alice, bob, event, ids, newRun, next, notice, run1, run2, started, tenant, write } from "./sample.ts";

const carol = streamKey(tenant, asUserId("carol"));
/** The n-th minute of the day. */
const minute = (n: number): string => `2026-11-21T10:${String(n).padStart(2, "0")}:00.000Z`;
const now = minute(50);
const roomy = 1_000_000;
/** More slices than any of these sweeps takes. */
const maxSlices = 1_000;
const minutes = [5, 15, 25, 35] as const;
/** Of the events at `minutes`, how many are old. */
const oldOf: Readonly<Record<TierName, number>> = { free: 3, early: 2, mid: 1, enterprise: 0 };
const tiers: RetireTiers = {
  before: { free: minute(30), early: minute(20), mid: minute(10), enterprise: minute(1) },
  default: "early",
  rules: {},
};

const said = (stream: StreamKey, n: number) => ({
  ...notice(stream),
  events: [event(`${stream} at ${n}`, { time: minute(n), type: "x.notice" })],
});

/** An event at each of the minutes. */
async function fill(log: EventLog, ...streams: readonly StreamKey[]): Promise<void> {
  for (const n of minutes) for (const stream of streams) await write(log, said(stream, n));
}

async function claim(log: EventLog, stream: StreamKey, tier: string | undefined): Promise<void> {
  const value = tier === undefined ? undefined : JSON.stringify(tier);
  await log.putDocument({ kind: tierKind, key: stream, value });
}

/** A whole sweep: how many events went from each stream. */
async function sweep(log: EventLog, ask: Partial<Retire> = {}): Promise<Record<StreamKey, number>> {
  const ranges: RetiredRange[] = [];
  let after: string | undefined;
  for (let slices = 1; slices <= maxSlices; slices += 1) {
    const page = await log.retire({ before: minute(40), now, maxEvents: roomy, tiers, ...ask, after });
    ranges.push(...page.streams);
    if (page.next === null) {
      const gone: Record<StreamKey, number> = {};
      for (const { stream, from, upto } of ranges) gone[stream] = (gone[stream] ?? 0) + upto + 1 - from;
      return gone;
    }
    after = page.next;
  }
  throw new Error("the sweep never ends");
}

export function tieredRetirementLaws({ law, expect }: LawBook): void {
  law("takes from each stream what its tier no longer keeps: by claim, by rule, by default", async (log) => {
    await fill(log, alice, bob, carol);
    await claim(log, alice, "mid");
    const rules = { tenants: { acme: "free" as const }, users: { acme: { bob: "enterprise" as const } } };
    expect(await sweep(log, { tiers: { ...tiers, rules } })).toEqual({ [alice]: oldOf.mid, [carol]: oldOf.free });
    expect(await log.position(alice)).toMatchObject({ first: 2, head: 4 });
    expect(await log.position(bob)).toMatchObject({ first: 1, head: 4 });
    expect(await ids(log, carol)).toEqual([`id-${carol} at 35`]);
    expect(await sweep(log, { tiers: { ...tiers, rules } })).toEqual({});
    // The default, where no rule is left.
    expect(await sweep(log)).toEqual({ [bob]: oldOf.early });
    expect(await log.ledger()).toEqual({ accepted: 12, acked: 0, stored: 6, deadLettered: 6 });
  });

  law("takes a claim before a rule, and goes back to the rule when the claim is gone", async (log) => {
    await fill(log, alice);
    const rules = { users: { acme: { alice: "free" as const } } };
    await claim(log, alice, "enterprise");
    expect(await sweep(log, { tiers: { ...tiers, rules } })).toEqual({});
    await claim(log, alice, "early");
    expect(await sweep(log, { tiers: { ...tiers, rules } })).toEqual({ [alice]: oldOf.early });
    await claim(log, alice, undefined);
    expect(await sweep(log, { tiers: { ...tiers, rules } })).toEqual({ [alice]: oldOf.free - oldOf.early });
  });

  law("keeps all of a stream whose claim names no tier", async (log) => {
    await fill(log, alice, bob);
    await claim(log, alice, "platinum");
    expect(await sweep(log, { tiers: { ...tiers, default: "free" } })).toEqual({ [bob]: oldOf.free });
    expect(await log.position(alice)).toMatchObject({ first: 1, head: 4 });
  });

  law("asks no claim where all are kept alike", async (log) => {
    await fill(log, alice, bob);
    await claim(log, alice, "enterprise");
    expect(await sweep(log, { before: minute(30), tiers: undefined })).toEqual({ [alice]: 3, [bob]: 3 });
  });

  law("goes through streams of all tiers in slices, and passes none over that is due", async (log) => {
    const streams = Array.from({ length: 120 }, (_, index) => streamKey(tenant, asUserId(`user ${index}`)));
    const due = streams.filter((_, index) => index % 12 === 5);
    for (const stream of streams) await write(log, said(stream, 5));
    for (const [index, stream] of due.entries()) await claim(log, stream, index % 2 === 0 ? "free" : "mid");
    const unless: RetireTiers = { ...tiers, default: "enterprise" };
    const gone = await sweep(log, { tiers: unless, maxEvents: 11 });
    expect(gone).toEqual(Object.fromEntries(due.map((stream) => [stream, 1])));
    expect(await sweep(log, { tiers: unless, maxEvents: 1 })).toEqual({});
    expect(await log.ledger()).toMatchObject({ accepted: 120, stored: 110, deadLettered: 10 });
  });

  law("takes the runs of a short tier whole, and leaves those of a long one", async (log) => {
    for (const [stream, runId] of [
      [alice, run1],
      [bob, run2],
    ] as const) {
      const run = newRun(runId, stream);
      await write(log, started(run, [event(`${stream} begins`, { time: minute(5) })]));
      const end = next(1, [event(`${stream} ends`, { time: minute(15) })], { runId, ended: "completed" });
      await write(log, { ...end, stream });
      await write(log, said(stream, 35));
    }
    await claim(log, alice, "early");
    await claim(log, bob, "mid");
    expect(await sweep(log)).toEqual({ [alice]: 2 });
    expect((await log.runs({ limit: 9 })).runs.map(({ stream }) => stream)).toEqual([bob]);
  });

  law("keeps dead letters as long as the operator says, whatever the tier", async (log) => {
    await fill(log, alice);
    await claim(log, alice, "free");
    await sweep(log);
    expect((await log.deadLetters({ limit: 9 })).entries).toMatchObject([{ kind: "retired", from: 1, upto: 3 }]);
    await sweep(log, { before: minute(50) });
    expect((await log.deadLetters({ limit: 9 })).entries.length).toBe(1);
    await sweep(log, { before: minute(51) });
    expect((await log.deadLetters({ limit: 9 })).entries).toEqual([]);
  });
}
