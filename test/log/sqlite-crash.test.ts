import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StreamKey } from "../../protocol/ids.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { rejection } from "../../src/testing/event-log/law.ts";
import { alice, event, ids, notice, wide, write } from "../../src/testing/event-log/sample.ts";

/** A child that does not end by itself is killed, and its test fails. */
const patienceMs = 10_000;
const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url));

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-crash-"));
  path = join(folder, "log.db");
});
afterEach(() => rm(folder, { recursive: true }));

interface Acknowledged {
  readonly stream: StreamKey;
  readonly offset: number;
  readonly id: string;
}

/** Kills the child after it has said `lineCount` lines; gives all that it said. */
async function killAfter(child: ChildProcess, lineCount: number): Promise<Acknowledged[]> {
  if (child.stdout === null) throw new Error("no stdout");
  const said: Acknowledged[] = [];
  const exited = once(child, "exit");
  for await (const line of createInterface(child.stdout)) {
    const [stream, offset, id] = line.split("\t");
    // The last line may be cut; it was acknowledged, but what it says is unknown.
    if (id?.endsWith(" b") === true) said.push({ stream: stream as StreamKey, offset: Number(offset), id });
    if (said.length === lineCount) child.kill("SIGKILL");
  }
  const [, signal] = await exited;
  expect(signal).toBe("SIGKILL");
  return said;
}

describe("the SQLite log and a killed process", () => {
  for (const durability of ["fsync", "os"]) {
    it(`L6: loses no acknowledged append and no half of one to kill -9, and keeps its epoch (${durability})`, async () => {
      const acknowledged: Acknowledged[] = [];
      const epochs = new Set<string>();
      for (const [round, lineCount] of [1, 60, 333].entries()) {
        const args = [fixture("append-until-killed"), path, String(round), durability];
        acknowledged.push(
          ...(await killAfter(spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] }), lineCount)),
        );

        const log = await openSqliteLog({ path });
        for (const stream of new Set(acknowledged.map(({ stream: key }) => key))) {
          const { events, head, epoch, corrupt } = await log.read(stream, 0, wide);
          epochs.add(epoch);
          expect(corrupt).toBeUndefined();
          expect(events.map(({ offset }) => offset)).toEqual(Array.from({ length: head }, (_, at) => at + 1));
          // Both events of an append are there, or neither.
          expect(head % 2).toBe(0);
          for (const said of acknowledged.filter((one) => one.stream === stream)) {
            expect(events[said.offset - 1]?.id).toBe(said.id);
          }
        }
        const { accepted, acked, stored, deadLettered } = await log.ledger();
        expect(accepted - acked - stored - deadLettered).toBe(0);
        await log.close();
      }
      expect(acknowledged.length).toBeGreaterThan(393);
      expect(epochs.size).toBe(1);
    });
  }

  it("goes on after input/output errors, and has every append that it acknowledged between them", async () => {
    // In the shell's blocks of 512 bytes: the files may grow to 2 MiB.
    const command = `ulimit -f 4096; exec "${process.execPath}" "${fixture("append-on-failing-disk")}" "${path}"`;
    const child = spawn("sh", ["-c", command], { stdio: ["ignore", "pipe", "inherit"] });
    const said: string[] = [];
    for await (const line of createInterface(child.stdout)) said.push(line);
    const firstFailure = said.findIndex((line) => line.startsWith("failed LogUnavailable"));
    const lastSuccess = said.findLastIndex((line) => line.startsWith("ok"));
    expect(firstFailure).toBeGreaterThan(0);
    expect(lastSuccess).toBeGreaterThan(firstFailure);

    const log = await openSqliteLog({ path });
    const { events, head, corrupt } = await log.read(alice, 0, wide);
    expect(corrupt).toBeUndefined();
    expect(events.length).toBe(head);
    for (const line of said.filter((each) => each.startsWith("ok"))) {
      const [, offset, id] = line.split(" ");
      expect(events[Number(offset) - 1]?.id).toBe(id);
    }
    await log.close();
  });

  it("starts whatever flags the program was started with", async () => {
    const program = `
      import { openSqliteLog } from ${JSON.stringify(new URL("../../src/log/sqlite.ts", import.meta.url).href)};
      await (await openSqliteLog({ path: ${JSON.stringify(path)} })).close();`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "inherit" });
    expect((await once(child, "exit"))[0]).toBe(0);
  });

  it("lets a process end that leaves the log open, with everything written", async () => {
    const child = spawn(process.execPath, [fixture("open-and-leave"), path], { stdio: "inherit", timeout: patienceMs });
    const [code] = await once(child, "exit");
    expect(code).toBe(0);
    const log = await openSqliteLog({ path });
    expect(await ids(log, alice)).toEqual(["id-a"]);
    await log.close();
  });

  it("answers LogUnavailable to what waits and to what comes later when its thread dies", async () => {
    const started = once(process, "worker") as Promise<[Worker]>;
    const log = await openSqliteLog({ path });
    const [worker] = await started;
    await write(log, notice(alice, "a"));
    // The thread is at the first for long enough that the others still wait when it dies.
    const long = Array.from({ length: 20_000 }, (_, at) => event(`long ${at}`));
    const appends = [log.append({ stream: alice, events: long }), log.append(notice(alice, "c"))].map(rejection);
    await new Promise((resolve) => setImmediate(resolve));
    const failed = Promise.all([...appends, rejection(log.read(alice, 0, wide))]);
    await worker.terminate();
    for (const failure of await failed) expect(failure).toMatchObject({ _tag: "LogUnavailable" });
    expect(await rejection(log.append(notice(alice, "d")))).toMatchObject({ _tag: "LogUnavailable" });
    expect(await rejection(log.position(alice))).toMatchObject({ _tag: "LogUnavailable" });
    await log.close();

    const again = await openSqliteLog({ path });
    expect((await ids(again, alice))[0]).toBe("id-a");
    await again.close();
  });
});
