import { describe, expect, it } from "vitest";
import { asTenantId, asUserId, streamKey } from "../../protocol/ids.ts";
import type { TierName } from "../../protocol/tier-rules.ts";
import { LogUnavailable } from "../../src/errors.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { tierKind } from "../../src/log/housekeeping.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { TierClaims } from "../../src/runtime/tier-claims.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";

const ann = streamKey(asTenantId("acme"), asUserId("ann"));
/** Its key begins as ann's does. */
const anna = streamKey(asTenantId("acme"), asUserId("anna"));
const minuteMs = 60_000;

/** Claims over a log that counts, and others over the same log. */
function claimsOf({ areKept = true, isShared = false } = {}) {
  const memory = memoryLog();
  const clock = manualClock();
  const counts = { reads: 0, writes: 0 };
  let isDown = false;
  const guarded = <Answer>(work: () => Promise<Answer>): Promise<Answer> =>
    isDown ? Promise.reject(new LogUnavailable({ message: "down", retryAfterMs: 1 })) : work();
  const log: Pick<EventLog, "documents" | "putDocument" | "isShared"> = {
    isShared,
    documents: (query) => {
      counts.reads += 1;
      return guarded(() => memory.documents(query));
    },
    putDocument: (put) => {
      counts.writes += 1;
      return guarded(() => memory.putDocument(put));
    },
  };
  const stored = async () =>
    (await memory.documents({ kind: tierKind, limit: 9 })).map(({ key, value }) => [key, value]);
  const make = () => new TierClaims({ log, clock, areKept });
  return { claims: make(), make, clock, counts, stored, setDown: (now: boolean) => (isDown = now) };
}
const heard = async (claims: TierClaims, tier: TierName | undefined, stream = ann) => {
  claims.note(stream, tier);
  await claims.save();
};

describe("claims of tiers", () => {
  it("are remembered and neither read nor written where nothing is kept by them", async () => {
    const { claims, counts, make } = claimsOf({ areKept: false, isShared: true });
    await heard(claims, "mid");
    expect(claims.of(ann)).toBe("mid");
    expect(claims.recall(anna)).toBeUndefined();
    expect(make().of(ann)).toBeUndefined();
    await heard(claims, undefined);
    expect(claims.of(ann)).toBeUndefined();
    expect(counts).toEqual({ reads: 0, writes: 0 });
  });

  it("are written once for each change, not for each credential", async () => {
    const { claims, counts, stored } = claimsOf();
    for (let times = 0; times < 3; times += 1) await heard(claims, "mid");
    expect(counts).toEqual({ reads: 1, writes: 1 });
    await heard(claims, "free");
    expect(counts.writes).toBe(2);
    expect(await stored()).toEqual([[ann, '"free"']]);
  });

  it("are known after a restart, and not written again", async () => {
    const { claims, counts, make } = claimsOf();
    await heard(claims, "mid");
    const again = make();
    await again.recall(ann);
    expect(again.of(ann)).toBe("mid");
    expect(again.recall(ann)).toBeUndefined();
    await heard(make(), "mid");
    expect(counts.writes).toBe(1);
  });

  it("are forgotten when a credential names none", async () => {
    const { claims, stored, make, counts } = claimsOf();
    await heard(claims, "mid");
    await heard(claims, undefined);
    expect(await stored()).toEqual([]);
    const again = make();
    await heard(again, undefined);
    expect(counts.writes).toBe(2);
  });

  it("belong to one user, also where another's name begins alike", async () => {
    const { claims, make } = claimsOf();
    await heard(claims, "mid", anna);
    const again = make();
    await again.recall(ann);
    expect(again.of(ann)).toBeUndefined();
  });

  it("are held against what is stored each time where others write: the same word again may be news there", async () => {
    const { claims, make, stored } = claimsOf({ isShared: true });
    const other = make();
    await heard(claims, "enterprise");
    await heard(other, "free");
    await heard(claims, "enterprise");
    expect(await stored()).toEqual([[ann, '"enterprise"']]);
  });

  it("are asked for again after a minute where others write", async () => {
    const { claims, make, clock } = claimsOf({ isShared: true });
    await heard(claims, "free");
    await heard(make(), "mid");
    expect(claims.of(ann)).toBe("free");
    await clock.advance(minuteMs);
    claims.of(ann);
    await clock.advance(1);
    expect(claims.of(ann)).toBe("mid");
  });

  it("wait while the log is down, fail who asks whether they are written, and are written then", async () => {
    const { claims, setDown, stored, make } = claimsOf();
    setDown(true);
    claims.note(ann, "mid");
    await expect(claims.save()).rejects.toThrow("down");
    const again = make();
    await again.recall(anna);
    expect(again.of(anna)).toBeUndefined();
    setDown(false);
    await claims.save();
    expect(await stored()).toEqual([[ann, '"mid"']]);
  });

  it("are the newest word when several come while one is written", async () => {
    const { claims, stored } = claimsOf();
    claims.note(ann, "mid");
    claims.note(ann, "free");
    const saved = claims.save();
    claims.note(ann, "early");
    await saved;
    expect(await stored()).toEqual([[ann, '"early"']]);
    expect(claims.of(ann)).toBe("early");
  });

  it("of a credential are not undone by an older answer of the log", async () => {
    const { claims, make } = claimsOf();
    await heard(make(), "free");
    const asked = claims.recall(ann);
    claims.note(ann, "enterprise");
    await asked;
    expect(claims.of(ann)).toBe("enterprise");
  });
});
