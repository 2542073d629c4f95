import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EventLog } from "../../src/log/event-log.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { SqliteReadPath } from "../../src/log/sqlite-read-path.ts";
import type { SqliteThread } from "../../src/log/sqlite-thread.ts";
import { alice, notice, write } from "../../src/testing/event-log/sample.ts";

let folder: string;
let path: string;
let log: EventLog;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-read-"));
  path = join(folder, "log.db");
  log = await openSqliteLog({ path });
  await write(log, notice(alice, "a", "b"));
});
afterEach(async () => {
  await log.close();
  await rm(folder, { recursive: true });
});

const byWriter = { first: 1, head: 99 };
const byHelper = { first: 1, head: 2 };

/** The writer's thread as the path sees it, in a commit for so long; it answers when the test says so. */
function writing(forMs: number | undefined) {
  const answers: (() => void)[] = [];
  const writer = {
    writingMs: forMs,
    read: () => new Promise((resolve) => answers.push(() => resolve(byWriter))),
  };
  const reads = new SqliteReadPath(writer as unknown as SqliteThread, { path, lockWaitMs: 100 });
  return { reads, writer, answer: () => answers.splice(0).forEach((each) => each()), asked: () => answers.length };
}

describe("a read of the SQLite log", () => {
  it("is the writer's while no commit is under way, and while one is short", async () => {
    for (const forMs of [undefined, 0, 49]) {
      const { reads, answer, writer } = writing(forMs);
      const read = reads.read("position", alice);
      writer.writingMs = undefined;
      answer();
      expect(await read).toEqual(byWriter);
      await reads.close();
    }
  });

  it("is another thread's while a commit takes long", async () => {
    const { reads, asked } = writing(50);
    expect(await reads.read("position", alice)).toEqual(byHelper);
    expect(await reads.read("position", alice)).toEqual(byHelper);
    expect(asked()).toBe(0);
    await reads.close();
  });

  it("that waits already is answered by the other thread once the commit has taken long", async () => {
    const { reads, writer, asked } = writing(40);
    const read = reads.read("position", alice);
    writer.writingMs = 60;
    expect(await read).toEqual(byHelper);
    expect(asked()).toBe(1);
    await reads.close();
  });

  it("goes on waiting for a later commit as long as for the first", async () => {
    const { reads, writer } = writing(49);
    const read = reads.read("position", alice);
    // The first commit is over within the millisecond, and another began.
    writer.writingMs = 30;
    const late = reads.read("position", alice);
    await new Promise((resolve) => setImmediate(resolve));
    writer.writingMs = 51;
    expect(await Promise.all([read, late])).toEqual([byHelper, byHelper]);
    await reads.close();
  });

  it("falls back on the writer when there is no other thread", async () => {
    const { reads, answer, asked } = writing(60);
    await log.close();
    await rm(path);
    await rm(`${path}.epoch`);
    const read = reads.read("position", alice);
    while (asked() === 0) await new Promise((resolve) => setImmediate(resolve));
    answer();
    expect(await read).toEqual(byWriter);
    await reads.close();
  });
});
