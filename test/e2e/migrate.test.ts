/** A store that grows: from the file to PostgreSQL and to Redis by the command line, in the middle of a user's work. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { program } from "../cli/program.ts";
import { openFileSpool } from "../../src/spool/file.ts";
import { storeName } from "../../src/spool/open-spool.ts";
import { silentJournal } from "../../src/telemetry/journal.ts";
import { hello } from "../gateway/support/socket.ts";
import { BlackBox, done, thinking } from "../support/black-box.ts";
import { userToken } from "../support/built-server.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { RedisServer } from "../support/redis-server.ts";

let postgres: PostgresServer;
let redis: RedisServer;
beforeAll(async () => {
  [postgres, redis] = await Promise.all([PostgresServer.start(), RedisServer.start({ appendfsync: "everysec" })]);
});
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const spoolOf = (directory: string): string =>
  join(directory, "runcast-spool", storeName(join(directory, "runcast.db")));

const crowd = Array.from({ length: 60 }, (_, at) => `user-${at}`);

describe("runcast migrate", () => {
  it.each([
    ["PostgreSQL", async () => `${await postgres.database()}?partitions=2`],
    ["Redis", async () => `${redis.url}?name=grown`],
  ] as const)(
    "moves to %s, killed once on the way; a client resumes with exactly the rest, a runner goes on",
    async (_, make) => {
      const to = await make();
      await using before = await BlackBox.start();
      const run = await before.start();
      await before.say(run, [thinking, { ...thinking, key: "told" }]);
      const alice = await userToken("alice");
      const tab = await hello(before.url, alice, { from: "start", device: "tab" });
      expect((await tab.nextOf("events")).upto).toBe(3);
      tab.send({ type: "ack", offset: 3 });
      await tab.close();
      await before.say(run, [thinking, thinking]);
      for (const userId of crowd) await before.start({ userId });
      const from = `sqlite:${join(before.server.directory, "runcast.db")}`;
      const migrate = (...more: string[]) =>
        program(before.server.directory, ["migrate", "--from", from, "--to", to, ...more]);

      expect(await migrate().ended).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("stop the server first"),
      });
      await before.server.terminate();
      const spool = await openFileSpool({ folder: spoolOf(before.server.directory), journal: silentJournal });
      await spool.append(["said while the log was down"]);
      for (const more of [[], ["--dry-run"]])
        expect(await migrate(...more).ended).toMatchObject({
          code: 1,
          stderr: expect.stringMatching(/still wait in its spool .* start its server once more/),
        });
      await spool.remove(1);
      await spool.close();
      expect(await migrate("--dry-run").ended).toMatchObject({
        ...{
          code: 0,
          stdout: expect.stringContaining(`would copy 61 streams with 65 events, and keep the epoch ${run.epoch}`),
        },
      });
      const killed = migrate();
      await killed.errorLine(/^copying: /);
      killed.child.kill("SIGKILL");
      await killed.ended;
      expect(await migrate().ended).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/copied 61 streams.* 65 events[^]*verified/),
      });

      await using after = await BlackBox.start({ env: { RUNCAST_STORE: to, RUNCAST_SPOOL: "none" } });
      const again = await hello(after.url, alice, { cursor: { epoch: run.epoch, offset: 3 }, device: "tab" });
      expect(await again.nextOf("welcome")).toMatchObject({ epoch: run.epoch, head: 5, resumed: "replayed" });
      const { events, upto } = await again.nextOf("events");
      expect([events.map(({ offset }) => offset), upto]).toEqual([[4, 5], 5]);
      const repeated = await after.say(run, [{ ...thinking, key: "told" }]);
      expect(repeated.body).toMatchObject({ seq: 3, offset: 3, duplicates: 1 });
      expect((await after.say(run, [done])).body).toMatchObject({ seq: 6, offset: 6 });
      expect((await again.nextOf("events")).upto).toBe(6);
      await again.close();
    },
  );
});
