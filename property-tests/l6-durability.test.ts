/**
 * L6: durability. What was acknowledged to a publisher survives kill -9: whenever the process is killed, the next one
 * holds each acknowledged event at the place that its answer named, and no half of a batch.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asRunId, asTenantId } from "../protocol/ids.ts";
import { parseTrusted } from "../protocol/json.ts";
import { openSqliteLog } from "../src/log/sqlite.ts";
import { parameters } from "./support/parameters.ts";

const program = fileURLToPath(new URL("./support/publish-until-killed.ts", import.meta.url));
const tenant = asTenantId("default");
const all = { maxEvents: 1_000_000, maxBytes: Number.MAX_SAFE_INTEGER };

interface Life {
  readonly runs: number;
  /** Events that are published together. */
  readonly batch: number;
  /** Acknowledgements that the process lives to give. */
  readonly acks: number;
}

interface Acknowledged {
  readonly runId: string;
  readonly seq: number;
  readonly offset: number;
  readonly key: string;
}

/** One life of a process on the file: what it had acknowledged when it was killed. */
async function live(file: string, round: number, { runs, batch, acks }: Life): Promise<Acknowledged[]> {
  const args = [program, file, `${round}`, `${runs}`, `${batch}`];
  const child = spawn(execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const said: Acknowledged[] = [];
  const exited = once(child, "exit");
  for await (const line of createInterface(child.stdout)) {
    const [runId = "", seq, offset, key] = line.split(" ");
    // The last line may be cut, and "ready" is none.
    if (key !== undefined && key.split("/").length === 3) {
      said.push({ runId, seq: Number(seq), offset: Number(offset), key });
    }
    if (said.length >= acks) child.kill("SIGKILL");
  }
  const [, signal] = await exited;
  expect(signal).toBe("SIGKILL");
  return said;
}

describe("L6 durability", () => {
  it("keeps every acknowledged event at its place over one kill -9 after the other", async () => {
    const life = fc.record({
      runs: fc.integer({ min: 1, max: 6 }),
      batch: fc.integer({ min: 1, max: 40 }),
      acks: fc.integer({ min: 1, max: 120 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 3 }), async (lives) => {
        const folder = mkdtempSync(join(tmpdir(), "runcast-l6-"));
        try {
          const file = join(folder, "log.db");
          const acknowledged: (Acknowledged & { readonly batch: number })[] = [];
          for (const [round, each] of lives.entries()) {
            for (const said of await live(file, round, each)) acknowledged.push({ ...said, batch: each.batch });
          }
          const log = await openSqliteLog({ path: file });
          const runs = new Map<string, Awaited<ReturnType<typeof log.readRun>>>();
          for (const { runId } of acknowledged)
            if (!runs.has(runId)) runs.set(runId, await log.readRun(tenant, asRunId(runId), 0, all));
          await log.close();
          for (const { runId, seq, offset, key, batch } of acknowledged) {
            const event = runs.get(runId)?.[seq - 1];
            expect(event).toMatchObject({ seq, offset });
            expect(parseTrusted(event?.data ?? "{}")).toEqual({ key, at: batch - 1 });
          }
          for (const events of runs.values()) {
            expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
            // What was under way is there whole, or not at all.
            const { at } = parseTrusted(events.at(-1)?.data ?? "{}") as { readonly at?: number };
            const { batch } = acknowledged.find(({ runId }) => runId === events[0]?.runId) ?? {};
            if (at !== undefined) expect(at).toBe((batch ?? 0) - 1);
          }
        } finally {
          rmSync(folder, { recursive: true });
        }
      }),
      parameters(4),
    );
  });
});
