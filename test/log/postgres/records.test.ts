import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asDeviceId } from "../../../protocol/ids.ts";
import { openPostgresLog } from "../../../src/log/postgres/postgres.ts";
import { alice, event, newRun, notice, started, tenant, wide, write } from "../../../src/testing/event-log/sample.ts";
import { PostgresServer } from "../../support/postgres-server.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Four records of a stream: 1–2, 3, 4–5 of a run, 6. */
async function told() {
  const url = `${await server.database()}?partitions=2`;
  const log = await openPostgresLog({ url });
  const sql = (text: string) => server.sql(text, new URL(url).pathname.slice(1));
  await write(log, notice(alice, "a", "b"));
  await write(log, notice(alice, "c"));
  await write(log, started(newRun(), [event("s1"), event("s2")]));
  await write(log, notice(alice, "f"));
  return { log, sql };
}

const difference = ({ accepted, acked, stored, deadLettered }: Record<string, number>): number =>
  (accepted ?? 0) - (acked ?? 0) - (stored ?? 0) - (deadLettered ?? 0);

describe("a record in PostgreSQL", () => {
  it.each([
    ["data", "data = replace(data, 'a', 'e')"],
    ["meta", "meta = replace(meta, 'id-', 'ix-')"],
    ["checksum", "crc = crc + 1"],
    ["first offset", "first_offset = first_offset - 1"],
  ])(
    "that had its %s changed is named corrupt and never delivered, and what stands around it is",
    async (_, change) => {
      const { log, sql } = await told();
      await sql(`UPDATE runcast.events SET ${change} WHERE last_offset = 3`);
      const slice = await log.read(alice, 0, wide);
      expect(slice.events.map(({ offset }) => offset)).toEqual([1, 2, 4, 5, 6]);
      expect(slice).toMatchObject({ corrupt: [3], upto: 6, head: 6 });
      expect((await log.deadLetters({ limit: 9 })).entries).toMatchObject([
        { kind: "corrupt", stream: alice, tenantId: tenant, from: 3, upto: 3, events: 1 },
      ]);
      // Read again it is named again, and counted once.
      await log.read(alice, 2, wide);
      expect((await log.deadLetters({ limit: 9 })).entries.length).toBe(1);
      expect(await log.ledger(alice)).toEqual({ accepted: 6, acked: 0, stored: 5, deadLettered: 1 });
      await log.saveCursors([{ stream: alice, device: asDeviceId("d"), offset: 6 }]);
      expect(await log.ledger(alice)).toEqual({ accepted: 6, acked: 5, stored: 0, deadLettered: 1 });
      await log.close();
    },
  );

  it("that is gone, or stands in another's place, is named as well", async () => {
    const { log, sql } = await told();
    await sql("DELETE FROM runcast.events WHERE last_offset = 2");
    await sql("UPDATE runcast.events SET run_id = 'run-2' WHERE last_offset = 5");
    const slice = await log.read(alice, 0, wide);
    expect(slice.events.map(({ offset }) => offset)).toEqual([3, 6]);
    expect(slice.corrupt).toEqual([1, 2, 4, 5]);
    expect(await log.readRun(tenant, newRun().runId, 0, wide)).toEqual([]);
    // From its middle on too; it is one record, and leaves the count as a whole.
    expect((await log.read(alice, 4, wide)).corrupt).toEqual([5]);
    expect(await log.ledger()).toEqual({ accepted: 6, acked: 0, stored: 2, deadLettered: 4 });
    await log.close();
  });

  it("that is gone at the end is met by the next read, and a read always goes on", async () => {
    const { log, sql } = await told();
    await sql("DELETE FROM runcast.events WHERE last_offset >= 5");
    const first = await log.read(alice, 0, wide);
    expect([first.events.at(-1)?.offset, first.upto]).toEqual([3, 3]);
    expect(await log.read(alice, 3, wide)).toMatchObject({ events: [], corrupt: [4, 5, 6], upto: 6 });
    expect(difference({ ...(await log.ledger()) })).toBe(0);
    await log.close();
  });

  it("that is lost goes with retention, counted once", async () => {
    const { log, sql } = await told();
    await sql("UPDATE runcast.events SET crc = 0 WHERE last_offset = 2");
    await log.read(alice, 0, wide);
    const later = "2026-12-25T10:00:00.000Z";
    const { streams } = await log.retire({ before: later, now: later, maxEvents: 100 });
    expect(streams).toEqual([{ stream: alice, from: 1, upto: 3, deadLettered: 1 }]);
    expect(await log.ledger(alice)).toEqual({ accepted: 6, acked: 0, stored: 3, deadLettered: 3 });
    await log.close();
  });
});
