/**
 * Regular and performance mode beside each other: the same appends of the same runs into one SQLite store, taking turns, the
 * one with a sync of the disk before it resolves, the other without. Alone (one append waits for the one before, as a
 * runner does that awaits each event) and together (a hundred runs at once share a commit).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asRunId, asTenantId, asUserId, streamKey } from "../protocol/ids.ts";
import type { Append, NewEvent } from "../src/log/event-log.ts";
import { openSqliteLog } from "../src/log/sqlite.ts";

const modes = ["regular", "performance"] as const;
type Mode = (typeof modes)[number];
const runCount = 100;
const rounds = 5;
const aloneAppends = 300;
const commitsTogether = 60;

function event(row: number): NewEvent {
  const data = JSON.stringify({ messageId: "message-1", channel: "text", text: `a word or two of row ${row}` });
  return { id: `0192f0c1-aaaa-7000-8000-${row}`, type: "agent_delta", time: "2026-11-21T10:00:00.000Z", data };
}

interface Round {
  readonly aloneMs: readonly number[];
  readonly togetherPerSecond: number;
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
const ascending = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b);

/** The figures of both modes as a table. */
export async function benchModes(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "runcast-bench-"));
  const log = await openSqliteLog({ path: join(folder, "modes.db") });
  const tenantId = asTenantId("bench");
  let row = 0;
  const runsOf = async (mode: Mode) => {
    const runs = Array.from({ length: runCount }, (_, index) => {
      const runId = asRunId(`${mode}-${index}`);
      return { runId, stream: streamKey(tenantId, asUserId(`${mode}-user-${index}`)), seq: 0 };
    });
    const shared = { tenantId, agent: "bench", profile: "standard", onIllegal: "reject", mode } as const;
    for (const run of runs) {
      const { runId, stream } = run;
      const create = { ...shared, runId, stream, leaseMs: 1_000, startDigest: "", startedAt: "" };
      await log.append({ stream, events: [event(0)], run: { tenantId, runId, expectedSeq: run.seq++, create } });
    }
    return runs;
  };
  const runs = { regular: await runsOf("regular"), performance: await runsOf("performance") };
  const next = (mode: Mode, index: number): Append => {
    const run = runs[mode][index % runCount];
    if (run === undefined) throw new Error("no run");
    const { runId, stream } = run;
    const append = { stream, events: [event(++row)], run: { tenantId, runId, expectedSeq: run.seq++, fence: 1 } };
    return { ...append, durability: mode === "performance" ? "os" : undefined };
  };
  const measure = async (mode: Mode): Promise<Round> => {
    const aloneMs: number[] = [];
    for (let turn = 0; turn < aloneAppends; turn += 1) {
      const startMs = performance.now();
      await log.append(next(mode, 0));
      aloneMs.push(performance.now() - startMs);
    }
    const startMs = performance.now();
    for (let commit = 0; commit < commitsTogether; commit += 1)
      await Promise.all(Array.from({ length: runCount }, (_, index) => log.append(next(mode, index))));
    const seconds = (performance.now() - startMs) / 1_000;
    return { aloneMs, togetherPerSecond: (commitsTogether * runCount) / seconds };
  };
  const measured: Record<Mode, Round[]> = { regular: [], performance: [] };
  for (let round = 0; round < rounds; round += 1) for (const mode of modes) measured[mode].push(await measure(mode));
  await log.close();
  rmSync(folder, { recursive: true });
  const rows = modes.map((mode) => {
    const alone = ascending(measured[mode].flatMap(({ aloneMs }) => aloneMs));
    const together = ascending(measured[mode].map(({ togetherPerSecond }) => togetherPerSecond));
    return [
      mode.padEnd(11),
      at(alone, 0.5).toFixed(2).padStart(14),
      at(alone, 0.99).toFixed(2).padStart(14),
      at(together, 0.5).toFixed(0).padStart(21),
    ].join(" ");
  });
  const title = `modes: one event an append, ${rounds} rounds, taking turns in one store`;
  return [title, "            alone p50 ms   alone p99 ms  100 runs at once, /s", ...rows].join("\n");
}
