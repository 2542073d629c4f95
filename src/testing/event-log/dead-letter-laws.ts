/** The laws of dead letters: kept with their reason, found again, and not for ever (L8, L10). */
import { asDeviceId, asTenantId, asUserId, streamKey } from "../../../protocol/ids.ts";
import type { DeadLetter, QuarantineEntry } from "../../log/dead-letter.ts";
import type { DeadLettersQuery } from "../../log/dead-letter.ts";
import { type LawBook, rejection } from "./law.ts";
import { alice, bob, notice, run1, run2, tenant, time, write } from "./sample.ts";

const other = asTenantId("other");
const carol = streamKey(other, asUserId("carol"));
const later = "2026-11-25T10:00:00.000Z";

const entry = (data: string, more: Partial<QuarantineEntry> = {}): QuarantineEntry => ({
  ...{ stream: alice, tenantId: tenant, runId: run1, type: "agent_thinking", data, reason: "illegal", time },
  ...more,
});

export function deadLetterLaws({ law, expect }: LawBook): void {
  law("gives back what was quarantined to the letter, newest first, in pages", async (log) => {
    const entries = Array.from({ length: 7 }, (_, index) => entry(`{ "n":${index}, "é":"\\u0000" }`));
    for (const one of entries) await log.quarantine(one);
    const found: DeadLetter[] = [];
    let before: string | undefined;
    for (let pages = 0; pages < 5; pages += 1) {
      const page = await log.deadLetters({ limit: 3, before });
      expect(page.entries.length <= 3).toBe(true);
      found.push(...page.entries);
      if (page.next === null) break;
      before = page.next;
    }
    expect(found).toEqual(entries.map((one) => ({ kind: "quarantined", ...one })).toReversed());
    expect(await rejection(log.deadLetters({ limit: 1, before: "1; --" }))).toMatchObject({ _tag: "InvalidInput" });
  });

  law("narrows them to a tenant, a stream and a run, and never mixes owners", async (log) => {
    await log.quarantine(entry("1"));
    await log.quarantine(entry("2", { runId: run2 }));
    await log.quarantine(entry("3", { stream: bob }));
    await log.quarantine(entry("4", { stream: carol, tenantId: other }));
    await write(log, notice(bob, "unread"));
    await log.retire({ before: later, now: later, maxEvents: 1_000 });
    await log.quarantine(entry("5", { stream: bob, time: later }));
    const list = async (query: Omit<DeadLettersQuery, "limit">) =>
      (await log.deadLetters({ ...query, limit: 99 })).entries.map((one) =>
        one.kind === "quarantined" ? one.data : one.kind,
      );
    expect(await list({})).toEqual(["5", "retired"]);
    await log.quarantine(entry("6", { runId: run2 }));
    await log.quarantine(entry("7", { stream: carol, tenantId: other }));
    expect(await list({})).toEqual(["7", "6", "5", "retired"]);
    expect(await list({ tenantId: tenant })).toEqual(["6", "5", "retired"]);
    expect(await list({ tenantId: tenant, stream: alice })).toEqual(["6"]);
    expect(await list({ stream: bob })).toEqual(["5", "retired"]);
    expect(await list({ runId: run2 })).toEqual(["6"]);
    expect(await list({ tenantId: other, stream: alice })).toEqual([]);
    expect(await list({ stream: streamKey(tenant, asUserId("nobody")) })).toEqual([]);
  });

  law("has one entry a day for a stream that loses a little at every sweep", async (log) => {
    const sweepAt = async (name: string, now: string) => {
      await write(log, notice(alice, name));
      await log.quarantine(entry(`"${name}"`, { stream: bob, time: now }));
      await log.retire({ before: later, now, maxEvents: 1_000 });
    };
    await sweepAt("a", "2026-11-25T10:00:00.000Z");
    await sweepAt("b", "2026-11-25T23:59:59.000Z");
    await sweepAt("c", "2026-11-26T00:00:00.000Z");
    await log.saveCursors([{ stream: alice, device: asDeviceId("d"), offset: 3 }]);
    await write(log, notice(alice, "read", "unread"));
    await log.saveCursors([{ stream: alice, device: asDeviceId("d"), offset: 4 }]);
    await log.retire({ before: later, now: "2026-11-26T00:01:00.000Z", maxEvents: 1_000 });
    const { entries } = await log.deadLetters({ stream: alice, limit: 9 });
    expect(entries.map((one) => (one.kind === "retired" ? [one.from, one.upto, one.events, one.time] : one))).toEqual([
      [5, 5, 1, "2026-11-26T00:01:00.000Z"],
      [3, 3, 1, "2026-11-26T00:00:00.000Z"],
      [1, 2, 2, "2026-11-25T23:59:59.000Z"],
    ]);
  });

  law("names the range of what retention took unread, and keeps that as long as anything else", async (log) => {
    await write(log, notice(alice, "a", "b"));
    await log.retire({ before: later, now: later, maxEvents: 1_000 });
    const { entries } = await log.deadLetters({ limit: 9 });
    const range = { stream: alice, tenantId: tenant, from: 1, upto: 2, events: 2, time: later };
    expect(entries).toMatchObject([{ kind: "retired", ...range }]);
    await log.retire({ before: later, now: later, maxEvents: 1_000 });
    expect((await log.deadLetters({ limit: 9 })).entries).toEqual(entries);
    const muchLater = "2026-12-25T10:00:00.000Z";
    await log.retire({ before: muchLater, now: muchLater, maxEvents: 1_000 });
    expect((await log.deadLetters({ limit: 9 })).entries).toEqual([]);
    // The count outlives the letter.
    expect(await log.ledger(alice)).toMatchObject({ accepted: 2, deadLettered: 2 });
  });
}
