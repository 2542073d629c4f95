import { describe, expect, it } from "vitest";
import { asUserId, defaultTenant, streamKey } from "../../protocol/ids.ts";
import { LogUnavailable } from "../../src/errors.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { tierKind } from "../../src/log/housekeeping.ts";
import { memoryLog } from "../../src/log/memory.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import type { ManualClock } from "../../src/testing/manual-clock.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { completed } from "../support/events.ts";
import { nodesUnderTest } from "../support/nodes-under-test.ts";
import type { RuntimeUnderTest } from "../support/runtime-under-test.ts";
import { runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

const hourMs = 3_600_000;
const users = ["ann", "bob", "cid"] as const;
const streamOf = (user: string) => streamKey(defaultTenant, asUserId(user));

/** Free keeps an hour, early what the server does (six), mid a day. */
const optionsAt = (clock: ManualClock): Partial<RuntimeOptions> => ({
  clock,
  retentionMs: 6 * hourMs,
  leaseMs: hourMs,
  heartbeatMs: hourMs,
  tiers: { default: "free", tiers: { free: { retentionMs: hourMs }, mid: { retentionMs: 24 * hourMs } } },
  // `user#tier`.
  authenticate: async (token) => {
    const [user = "", tier] = token.split("#");
    return { ...userOf(user, clock.now()), tier };
  },
});

const runAll = async ({ start, publish }: RuntimeUnderTest): Promise<void> => {
  for (const userId of users) {
    const { runId, fence } = await start({ userId });
    await publish(runId, fence, [completed]);
  }
};
/** An hour, and so long that the sweep that falls due then has come and gone. */
const passHours = async (clock: ManualClock, hours: number): Promise<void> => {
  for (let gone = 0; gone < hours; gone += 1) await clock.advance(hourMs);
  for (let step = 0; step < 40; step += 1) await clock.advance(4_000);
};
/** By user, the first event that is kept. */
const firsts = async (log: EventLog): Promise<number[]> =>
  Promise.all(users.map(async (user) => (await log.position(streamOf(user))).first));
const claimsIn = async (log: EventLog) =>
  (await log.documents({ kind: tierKind, limit: 9 })).map(({ key, value }) => [key, value]);

describe("retention by tier", () => {
  it("keeps what each user's tier says, after a restart as before it, for who is away", async () => {
    const log = memoryLog();
    const clock = manualClock();
    const before = await runtimeUnderTest({ ...optionsAt(clock), log });
    await runAll(before);
    await before.connect("bob#early");
    await before.connect("cid#mid");
    await before.settle();
    expect(await claimsIn(log)).toEqual([
      [streamOf("bob"), '"early"'],
      [streamOf("cid"), '"mid"'],
    ]);
    await before.call(before.parts.service.drain);
    // Nobody has come back.
    await runtimeUnderTest({ ...optionsAt(clock), log });
    await passHours(clock, 1);
    expect(await firsts(log)).toEqual([3, 1, 1]);
    await passHours(clock, 5);
    expect(await firsts(log)).toEqual([3, 3, 1]);
    await passHours(clock, 18);
    expect(await firsts(log)).toEqual([3, 3, 3]);
  });

  it("falls back to the rules at the next sweep when a token names no tier any more", async () => {
    const log = memoryLog();
    const clock = manualClock();
    const runtime = await runtimeUnderTest({ ...optionsAt(clock), log });
    await runAll(runtime);
    await runtime.connect("cid#mid");
    await passHours(clock, 2);
    expect(await firsts(log)).toEqual([3, 3, 1]);
    await runtime.connect("cid");
    await passHours(clock, 0);
    expect(await firsts(log)).toEqual([3, 3, 3]);
    expect(await claimsIn(log)).toEqual([]);
  });

  it("is the same at every node, whichever the user has come to", async () => {
    const clock = manualClock();
    const { clock: shared, log, nodes } = await nodesUnderTest(optionsAt(clock));
    const [first, second] = nodes;
    await runAll(first);
    // The tokens' clock stands still: they live on.
    await first.connect("cid#mid");
    await second.connect("bob#mid");
    // Another word at the other node, and back again.
    await second.connect("cid#free");
    await first.connect("cid#mid");
    await first.settle();
    await passHours(shared, 3);
    expect(await firsts(log)).toEqual([3, 1, 1]);
    first.kill();
    await passHours(shared, 3);
    expect(await firsts(log)).toEqual([3, 1, 1]);
  });

  it("takes nothing while what credentials said cannot be written", async () => {
    const memory = memoryLog();
    const clock = manualClock();
    let isDown = false;
    const log: EventLog = {
      ...memory,
      putDocument: (put) =>
        isDown ? Promise.reject(new LogUnavailable({ message: "down", retryAfterMs: 1 })) : memory.putDocument(put),
    };
    const runtime = await runtimeUnderTest({ ...optionsAt(clock), log });
    await runAll(runtime);
    isDown = true;
    await runtime.connect("cid#mid");
    await passHours(clock, 2);
    expect(await firsts(memory)).toEqual([1, 1, 1]);
    isDown = false;
    await passHours(clock, 0);
    expect(await firsts(memory)).toEqual([3, 3, 1]);
  });

  it("gives the limits of the tier that was claimed last to who is away after a restart", async () => {
    const log = memoryLog();
    const clock = manualClock();
    const first = await runtimeUnderTest({ ...optionsAt(clock), log });
    await first.connect("cid#mid");
    await first.settle();
    const again = await runtimeUnderTest({ ...optionsAt(clock), log });
    const deadlines: Record<string, number | undefined> = {};
    for (const userId of ["ann", "cid"]) {
      const { runId } = await again.start({ userId });
      deadlines[userId] = (await log.run(defaultTenant, runId as never))?.deadlineMs;
    }
    expect(deadlines).toEqual({ ann: hourMs, cid: 24 * hourMs });
  });

  it("asks for no tier and writes none where all keep alike", async () => {
    const memory = memoryLog();
    const clock = manualClock();
    const asked: unknown[] = [];
    const log: EventLog = {
      ...memory,
      documents: (query) => {
        asked.push(query.kind);
        return memory.documents(query);
      },
      retire: (ask) => {
        asked.push(ask.tiers);
        return memory.retire(ask);
      },
    };
    const runtime = await runtimeUnderTest({ ...optionsAt(clock), log, tiers: { default: "free" } });
    await runAll(runtime);
    await runtime.connect("cid#mid");
    await passHours(clock, 6);
    expect(await firsts(memory)).toEqual([3, 3, 3]);
    expect(asked).not.toContain(tierKind);
    expect(new Set(asked.filter((one) => typeof one !== "string"))).toEqual(new Set([undefined]));
    expect(await claimsIn(memory)).toEqual([]);
  });
});
