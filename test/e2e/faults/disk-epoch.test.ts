import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Gap } from "../../../src/client/index.ts";
import { BuiltServer, userToken } from "../../support/built-server.ts";
import { collect } from "../../support/collecting-client.ts";
import { HttpPublisher } from "../../support/http-publisher.ts";
import { readAll } from "../../support/http-reader.ts";

const userId = "alice";

async function say(server: BuiltServer, runId: string, words: readonly string[]): Promise<void> {
  const publisher = new HttpPublisher(server.url);
  const run = await publisher.startRun({ userId, runId });
  const delta = (text: string) => ({ type: "agent_delta", data: { messageId: "m", channel: "text", text } });
  await publisher.publish(run, words.map(delta));
  await publisher.publish(run, [{ type: "agent_completed" }]);
}

const storeFiles = (folder: string) => readdirSync(folder).filter((name) => name.startsWith("runcast.db"));

/** As an administrator does, times and modes included; over what is there. */
function copyStore(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  execFileSync("cp", ["-p", ...storeFiles(from).map((name) => join(from, name)), to]);
}

function swapStores(one: string, other: string): void {
  const aside = join(one, "aside");
  mkdirSync(aside);
  for (const [from, to] of [
    [one, aside],
    [other, one],
    [aside, other],
  ] as const)
    for (const name of storeFiles(from)) renameSync(join(from, name), join(to, name));
}

/** What happens to the store between two lives of its server. */
interface Fate {
  readonly name: string;
  /** After the first events. */
  readonly early?: (server: BuiltServer) => Promise<void>;
  readonly stop: (server: BuiltServer) => Promise<unknown>;
  /** While nobody has it open. */
  readonly late: (directory: string) => void | Promise<void>;
}

const backupOf = (directory: string) => join(directory, "backup");
const backUpStopped = async (server: BuiltServer): Promise<void> => {
  await server.terminate();
  copyStore(server.directory, backupOf(server.directory));
  await server.restart();
};

const fates: readonly Fate[] = [
  {
    name: "an old backup was written over it, its .epoch file and all times included",
    early: backUpStopped,
    stop: (server) => server.terminate(),
    late: (directory) => copyStore(backupOf(directory), directory),
  },
  {
    name: "it was deleted after a crash and an old backup was put in its place",
    early: backUpStopped,
    stop: (server) => server.kill9(),
    late: (directory) => {
      for (const name of storeFiles(directory)) rmSync(join(directory, name));
      copyStore(backupOf(directory), directory);
    },
  },
  {
    name: "it was deleted",
    stop: (server) => server.terminate(),
    late: (directory) => {
      for (const name of storeFiles(directory)) rmSync(join(directory, name));
    },
  },
  {
    name: "it was swapped with another server's",
    stop: (server) => server.terminate(),
    late: async (directory) => {
      await using other = await BuiltServer.start();
      await say(other, "foreign", ["v", "w", "x", "y", "z"]);
      await other.terminate();
      swapStores(directory, other.directory);
    },
  },
  {
    name: "half of its WAL was lost in a crash",
    stop: (server) => server.kill9(),
    late: (directory) => {
      const wal = join(directory, "runcast.db-wal");
      truncateSync(wal, Math.floor(statSync(wal).size / 2));
    },
  },
];

describe("a store that is not the one that readers saw (FAULTS 9, I1 I2)", () => {
  for (const { name, early, stop, late } of fates) {
    it(`tells every client when ${name}: a declared gap, and no event of another history`, async () => {
      await using server = await BuiltServer.start();
      await say(server, "first", ["a", "b"]);
      await early?.(server);
      await say(server, "second", ["c", "d", "e"]);
      const stayed = collect(userId, { url: server.url, from: "start", device: "stayed" });
      const left = collect(userId, { url: server.url, from: "start", device: "left" });
      const head = 9;
      await Promise.all([stayed.has(head), left.has(head)]);
      const cursor = left.client.status.cursor;
      const old = [...left.seen];
      left.client.close();
      const gaps: Gap[] = [];
      stayed.client.on("gap", (gap) => gaps.push(gap));

      await stop(server);
      await late(server.directory);
      await server.restart();
      // More than there was: offsets that the old cursor would resume from exist again, with other events.
      for (const runId of ["third", "fourth"]) await say(server, runId, ["1", "2", "3", "4", "5", "6"]);
      const log = await readAll(server.url, "/v1/events", await userToken(userId));
      expect(log.length).toBeGreaterThan(head);

      if (cursor === undefined) throw new Error("the client has no cursor");
      const back = collect(userId, { url: server.url, device: "left", cursor });
      back.client.on("gap", (gap) => gaps.push(gap));
      await Promise.all([back.live(), stayed.live()]);
      await say(server, "fifth", ["end"]);
      const end = log.length + 3;
      await Promise.all([back.has(end), stayed.has(end)]);
      const now = await readAll(server.url, "/v1/events", await userToken(userId));

      for (const { client } of [back, stayed]) {
        expect(client.status.cursor?.epoch).not.toBe(cursor.epoch);
        expect(client.status).toMatchObject({ holes: 0 });
      }
      expect(gaps.filter(({ reason }) => reason === "epoch" || reason === "ahead").length).toBeGreaterThanOrEqual(2);
      // Who stayed saw the old history, then only the new one; who came back by cursor only the new one.
      const wrong = [...stayed.seen.slice(old.length), ...back.seen].filter(
        (event) => JSON.stringify(event) !== JSON.stringify(now[event.offset - 1]),
      );
      expect(wrong).toEqual([]);
      expect(stayed.seen.slice(0, old.length)).toEqual(old);
      for (const { client } of [back, stayed]) client.close();
    });
  }

  it("keeps its epoch through restarts, crashes, VACUUM and a change of owner and mode", async () => {
    await using server = await BuiltServer.start();
    await say(server, "first", ["a"]);
    const tab = collect(userId, { url: server.url, from: "start" });
    const gaps: Gap[] = [];
    tab.client.on("gap", (gap) => gaps.push(gap));
    await tab.has(3);
    const epoch = tab.client.status.cursor?.epoch;
    const store = join(server.directory, "runcast.db");
    const files = () => storeFiles(server.directory).map((name) => join(server.directory, name));
    for (const [round, stop] of [() => server.kill9(), () => server.terminate(), () => server.kill9()].entries()) {
      await stop();
      if (round === 1) execFileSync("sqlite3", [store, "vacuum; pragma wal_checkpoint;"]);
      execFileSync("chmod", ["600", ...files()]);
      execFileSync("chown", [String(process.getuid?.()), ...files()]);
      await server.restart();
      await say(server, `round-${round}`, ["b"]);
    }
    await tab.has(12);
    expect(tab.client.status.cursor?.epoch).toBe(epoch);
    expect(gaps).toEqual([]);
    expect(tab.seen.map(({ offset }) => offset)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
    tab.client.close();
  });
});
