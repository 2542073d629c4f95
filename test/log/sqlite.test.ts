import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { eventLogContract } from "../../src/testing/event-log-contract.ts";

async function make() {
  const folder = await mkdtemp(join(tmpdir(), "runcast-log-"));
  const open = () => openSqliteLog({ path: join(folder, "log.db"), onBug: () => {} });
  const made = { log: await open() };
  let newest = made.log;
  return {
    log: made.log,
    reopen: async () => {
      await newest.close();
      newest = await open();
      return newest;
    },
    dispose: async () => {
      await newest.close();
      await rm(folder, { recursive: true });
    },
  };
}

eventLogContract("the SQLite log", make, { describe, it, expect, persists: true });
