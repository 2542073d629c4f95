import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { asRunId } from "../../protocol/ids.ts";
import { ending, newRun, notice, alice, bob, run2, started, write } from "../../src/testing/event-log/sample.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-places-"));
});
afterEach(() => rm(folder, { recursive: true }));
const open = () => openSqliteLog({ path: join(folder, "log.db") });

describe("the places of runs in the SQLite log", () => {
  it("never come again, also when retention has taken the newest runs and the log was opened anew", async () => {
    const log = await open();
    await write(log, started(newRun()));
    await write(log, ending(1));
    await write(log, started(newRun(run2, bob)));
    const { next: page } = await log.runs({ limit: 1 });
    const end = { ...ending(1), stream: bob };
    await write(log, { ...end, run: { ...end.run, runId: run2 } as typeof end.run });
    await log.retire({ before: "2099-01-01T00:00:00.000Z", now: "2099-01-02T00:00:00.000Z", maxEvents: 100 });
    expect((await log.runs({ limit: 9 })).runs).toEqual([]);
    await log.close();
    const again = await open();
    const run3 = asRunId("run-3");
    await write(again, started(newRun(run3)));
    expect((await again.runs({ limit: 9 })).runs.map(({ runId }) => runId)).toEqual([run3]);
    // A page of before leads to older runs only.
    expect((await again.runs({ limit: 9, before: page ?? "" })).runs).toEqual([]);
    await write(again, notice(alice, "on"));
    await again.close();
  });
});
