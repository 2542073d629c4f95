import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { SqliteStore } from "../../src/log/sqlite-store.ts";
import { broken, type Found, foundIn, keyedScript, promisedBy } from "../support/disk/keyed-script.ts";
import { runKeyedScript } from "../support/disk/run-keyed-script.ts";
import { straced } from "../support/disk/strace.ts";

/** 1: every sync and every fourth write (`npm run kill-points`). Else a sample. */
const every = Number(process.env["KILL_EVERY"] ?? 3);
const writeStep = 4;
const writesPerSync = 12;
const patienceMs = every === 1 ? 600_000 : 110_000;
/** Two cores: a script waits for the disk more than it computes. */
const atOnce = 3;

interface Outcome {
  readonly killed: boolean;
  /** What of its word the store does not keep, right after the kill and after the repetition; empty: it keeps it all. */
  readonly wrong: readonly string[];
}

/** Kills the script at the nth call, looks at what it left, and settles it by repeating it. */
async function killAt(call: string, n: number): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "runcast-kill-"));
  try {
    const path = join(folder, "log.db");
    const command = [process.execPath, keyedScript, path, "1", "fsync"];
    const child = straced({ trace: [call], inject: `${call}:signal=SIGKILL:when=${n}`, command });
    if (child.stdout === null) throw new Error("no stdout");
    const [said, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
    const before = promisedBy(wholeLines(said));

    const wrong = [JSON.stringify(broken(before, foundAt(path)))];

    const repeated: string[] = [];
    await runKeyedScript({ path, rounds: 1, durability: "fsync", say: (line) => void repeated.push(line) });
    const after = promisedBy(repeated);
    // What was acknowledged stands where it stood, and nothing stands twice.
    wrong.push(JSON.stringify(broken({ ...after, acks: new Map([...after.acks, ...before.acks]) }, foundAt(path))));
    for (const [name, offset] of before.acks)
      if (after.acks.get(name) !== offset) wrong.push(`${name} was at ${offset}, is at ${after.acks.get(name)}`);
    if (before.epoch !== undefined && before.epoch !== after.epoch) wrong.push("another epoch");
    return { killed: code !== 0, wrong: wrong.filter((each) => each !== sound) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const sound = JSON.stringify({ lost: 0, holes: 0, epochChanged: false, fenceLost: false });

/** A kill may cut the last one. */
const wholeLines = (said: string) => said.split("\n").slice(0, -1);

function foundAt(path: string): Found {
  const store = new SqliteStore({ path, lockWaitMs: 0 });
  try {
    return foundIn(store);
  } finally {
    store.close();
  }
}

/** Kills at every `step`th call until the script comes through; gives how many kills there were. */
async function killEverywhere(call: string, step: number): Promise<number> {
  for (let first = 1; ; first += step * atOnce) {
    const points = Array.from({ length: atOnce }, (_, index) => first + step * index);
    const outcomes = await Promise.all(points.map((n) => killAt(call, n)));
    for (const [index, { wrong }] of outcomes.entries()) expect(wrong, `${call} ${points[index]}`).toEqual([]);
    const survived = outcomes.findIndex(({ killed }) => !killed);
    if (survived >= 0) return (first + step * survived - 1) / step;
  }
}

describe("the SQLite log and a kill at every step of a script", () => {
  it(
    "L6 I2 I18: at a sync or a rename: loses nothing, doubles nothing, and keeps its epoch",
    async () => {
      const [syncs, renames] = [await killEverywhere("fsync", every), await killEverywhere("rename", 1)];
      if (every === 1) console.info(`killed at ${syncs} of ${syncs} syncs, at ${renames} of ${renames} renames`);
      // Opening, seven commits, claims, closing; two changes of the file beside the store.
      expect(syncs).toBeGreaterThan(15 / every);
      expect(renames).toBe(2);
    },
    patienceMs,
  );

  it(
    "L6 I2 I18: in the middle of what one commit writes",
    async () => {
      const step = every === 1 ? writeStep : every * writesPerSync;
      const kills = await killEverywhere("pwrite64", step);
      if (every === 1) console.info(`killed at ${kills} writes, every ${step}th`);
      expect(kills).toBeGreaterThan(Math.floor(70 / step));
    },
    patienceMs,
  );
});
