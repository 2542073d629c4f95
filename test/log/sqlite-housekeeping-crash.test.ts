import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asRunId, asUserId, streamKey } from "../../protocol/ids.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { alice, notice, tenant, wide, write } from "../../src/testing/event-log/sample.ts";
import { tell, textOf } from "../support/told-run.ts";

const old = "2026-11-22T00:00:00.000Z";
const later = "2026-11-25T00:00:00.000Z";
const fixture = fileURLToPath(new URL("./fixtures/housekeep-until-killed.ts", import.meta.url));
/** It starts a process again and again: room for a machine that does other things too. */
const killsTimeoutMs = 60_000;

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-keep-"));
  path = join(folder, "log.db");
});
afterEach(() => rm(folder, { recursive: true }));

const open = () => openSqliteLog({ path });

describe("retention and compaction and a killed process", () => {
  it(
    "L6, I2, I11: kill -9 after any slice leaves a log that is whole, even and of the same epoch",
    async () => {
      const streams = Array.from({ length: 4 }, (_, index) => streamKey(tenant, asUserId(`user ${index}`)));
      const words = Array.from({ length: 60 }, (_, index) => `${index} `);
      const story = `|${words.join("")}|`;
      const log = await open();
      for (const [index, stream] of streams.entries()) {
        await tell(log, stream, asRunId(`old ${index}`), words);
        await tell(log, stream, asRunId(`young ${index}`), words, old);
      }
      const { epoch } = await log.position(alice);
      await log.close();

      let slices = 0;
      for (let kills = 0, isDone = false; !isDone; kills += 1) {
        const child = spawn(process.execPath, [fixture, path, later], { stdio: ["ignore", "pipe", "inherit"] });
        const exited = once(child, "exit");
        const mayLive = 1 + ((kills * 7) % 5);
        let said = 0;
        for await (const line of createInterface(child.stdout)) {
          said += 1;
          isDone = line === "done";
          if (isDone || said >= mayLive) child.kill("SIGKILL");
        }
        expect((await exited)[1]).toBe("SIGKILL");
        slices += said;
        const again = await open();
        const { accepted, acked, stored, deadLettered } = await again.ledger();
        expect(accepted - acked - stored - deadLettered).toBe(0);
        for (const [index, stream] of streams.entries()) {
          const slice = await again.read(stream, 0, wide);
          expect(slice).toMatchObject({ epoch, head: 124, upto: 124 });
          expect(slice.corrupt).toBeUndefined();
          expect([story + story, story, ""]).toContain(textOf(slice.events));
          const run = await again.readRun(tenant, asRunId(`old ${index}`), 0, wide);
          expect(textOf(run)).toBe(slice.first === 1 ? story : "");
        }
        await again.close();
      }
      expect(slices).toBeGreaterThan(6);
      const last = await open();
      expect(await write(last, notice(streams[0] ?? alice, "on"))).toMatchObject({ epoch, offset: 125 });
      await last.close();
    },
    killsTimeoutMs,
  );
});
