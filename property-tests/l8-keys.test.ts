/**
 * L8: whose something is stands in its key, and no two owners have one key, whatever they are called: names with colons,
 * slashes and digits, composed and decomposed, of other case, with a space at the end, of prototypes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { DeviceId, RunId, TenantId, UserId } from "../protocol/ids.ts";
import {
  asDeviceId,
  asRunId,
  asTenantId,
  asUserId,
  deviceKey,
  isName,
  isRunId,
  isTenantId,
  isUserId,
  runKey,
  streamKey,
  streamOwner,
} from "../protocol/ids.ts";
import type { EventLog, NewRun } from "../src/log/event-log.ts";
import { memoryLog } from "../src/log/memory.ts";
import { openSqliteLog } from "../src/log/sqlite.ts";
import { parameters } from "./support/parameters.ts";

const directory = mkdtempSync(join(tmpdir(), "runcast-keys-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const nasty = [
  ..."a:b|a|b:c|c|1:a:b|:|::|0:|a/b|/|..|../a|*|{}|%|%3A|a b|a |ab|A|a|\u00e9|e\u0301|\u00c5|\u212b|A\u030a|ﬁ|fi".split(
    "|",
  ),
  ...[
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "null",
    "undefined",
    "NaN",
    "0",
    "-1",
    "\u0131",
    "İ",
    "ß",
    "ss",
  ],
  ...[
    "😀",
    "\u{1f600}\ufe0f",
    "\u200b",
    "\u200bа",
    "а",
    "'; DROP TABLE runs; --",
    '"',
    "\\",
    "a\\u0062",
    "${a}",
    "default",
  ],
];
const part = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...nasty) },
  {
    weight: 1,
    arbitrary: fc.array(fc.constantFrom(...nasty), { minLength: 2, maxLength: 3 }).map((some) => some.join("")),
  },
  {
    weight: 1,
    arbitrary: fc.array(fc.constantFrom(...nasty), { minLength: 2, maxLength: 3 }).map((some) => some.join(":")),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 6 }) },
);
const user = part.filter((text) => isUserId(text)).map((text): UserId => asUserId(text));
const tenant = part.filter((text) => isTenantId(text)).map((text): TenantId => asTenantId(text));
const device = part.filter((text) => isName(text) && text.length <= 64).map((text): DeviceId => asDeviceId(text));
const run = fc
  .oneof(
    fc.constantFrom("a", "A", "a:b", "a:", ":a", "..", "1:a", "__proto__", "constructor"),
    fc.stringMatching(/^[A-Za-z0-9_.:-]{1,4}$/),
  )
  .filter((text) => isRunId(text))
  .map((text): RunId => asRunId(text));

/** Equal keys have equal parts; the parts are told apart without any key. */
function injective<Parts extends readonly string[]>(
  parts: fc.Arbitrary<Parts>,
  keyOf: (parts: Parts) => string,
): number {
  const owners = new Map<string, string>();
  let pairs = 0;
  fc.assert(
    fc.property(parts, (some) => {
      const key = keyOf(some);
      const owner = JSON.stringify(some);
      expect(owners.get(key) ?? owner).toBe(owner);
      owners.set(key, owner);
      pairs += 1;
    }),
    parameters(20_000),
  );
  // Too few different ones would prove nothing.
  return owners.size / pairs;
}

describe("L8 keys", () => {
  it("of streams are one for each owner, and give the owner back", () => {
    expect(injective(fc.tuple(tenant, user), (owner) => streamKey(...owner))).toBeGreaterThan(0.05);
    fc.assert(
      fc.property(tenant, user, (tenantId, userId) => {
        expect(streamOwner(streamKey(tenantId, userId))).toEqual({ tenantId, userId });
      }),
      parameters(5_000),
    );
  });

  it("of runs and of devices are one for each", () => {
    expect(injective(fc.tuple(tenant, run), (name) => runKey(...name))).toBeGreaterThan(0.05);
    const ofDevice = ([tenantId, userId, name]: readonly [TenantId, UserId, DeviceId]): string =>
      deviceKey(streamKey(tenantId, userId), name);
    expect(injective(fc.tuple(tenant, user, device), ofDevice)).toBeGreaterThan(0.05);
  });

  it("take no name with half a character: on disk it would be another's", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.constantFrom("\ud800", "\udfff", "\ud83d"), (rest, half) => {
        expect([isUserId(`${rest} ${half} `), isTenantId(half), isName(`${half}a`), isRunId(half)]).toEqual([
          false,
          false,
          false,
          false,
        ]);
      }),
      parameters(200),
    );
  });

  it.each<[string, () => Promise<EventLog>]>([
    ["memory", async () => memoryLog()],
    ["SQLite", () => openSqliteLog({ path: join(directory, "runcast.db"), durability: "os" })],
  ])("keep everything apart in a log: %s", async (_, open) => {
    const log = await open();
    const owners = new Map<
      string,
      { tenantId: TenantId; userId: UserId; run: RunId; device: DeviceId; documents: number }
    >();
    const some = fc.sample(fc.tuple(tenant, user, run, device), {
      numRuns: 300,
      seed: Number(process.env["FC_SEED"] ?? 1),
    });
    for (const [tenantId, userId, name, deviceId] of some) {
      const owner = JSON.stringify([tenantId, userId]);
      if (owners.has(owner)) continue;
      const stream = streamKey(tenantId, userId);
      // Unique in its tenant: the owner's place makes it so, and other tenants have the same one.
      const runId = asRunId(`${name}.${[...owners.values()].filter((each) => each.tenantId === tenantId).length}`);
      owners.set(owner, { tenantId, userId, run: runId, device: deviceId, documents: 0 });
      const time = "2026-11-29T00:00:00.000Z";
      const event = {
        id: owner,
        type: "x.a",
        time,
        data: JSON.stringify({ owner }),
        key: { name: "same", digest: owner },
      };
      const create: NewRun = {
        ...{ runId, tenantId, stream, agent: "a", profile: "standard", onIllegal: "reject", mode: "regular" },
        ...{ leaseMs: 1_000, startDigest: owner, startedAt: time },
      };
      expect(
        await log.append({
          stream,
          events: [event],
          run: { tenantId, runId, expectedSeq: 0, create, approvals: ["p"] },
        }),
      ).toMatchObject({ kind: "appended", offset: 1, seq: 1 });
      await log.append({ stream, events: [event] });
      await log.saveCursors([{ stream, device: deviceId, offset: 1 }]);
      await log.putDocument({ kind: "k", key: stream, value: owner });
    }
    expect(owners.size).toBeGreaterThan(200);
    for (const [owner, { tenantId, userId, run: runId, device: deviceId }] of owners) {
      const stream = streamKey(tenantId, userId);
      const { events, head } = await log.read(stream, 0, { maxEvents: 10, maxBytes: 10_000 });
      expect([head, ...events.map(({ data }) => data)]).toEqual([
        2,
        JSON.stringify({ owner }),
        JSON.stringify({ owner }),
      ]);
      expect(await log.run(tenantId, runId)).toMatchObject({ stream, startDigest: owner });
      expect((await log.runs({ stream, limit: 9 })).runs.map((record) => record.runId)).toEqual([runId]);
      expect(await log.knownKeys({ stream }, ["same"])).toEqual(
        new Map([["same", { digest: owner, seq: 0, offset: 2 }]]),
      );
      expect((await log.knownKeys({ tenantId, runId }, ["same"])).get("same")?.digest).toBe(owner);
      expect((await log.approval(tenantId, "p", stream))?.runId).toBe(runId);
      expect(await log.cursor(stream, deviceId)).toBe(1);
      expect(await log.ledger(stream)).toMatchObject({ accepted: 2, acked: 1 });
    }
    const documents = await log.documents({ kind: "k", limit: 1_000 });
    expect(documents).toHaveLength(owners.size);
    for (const { key, value } of documents)
      expect(JSON.stringify(Object.values(streamOwner(key as never)))).toBe(value);
    await log.close();
  });
});
