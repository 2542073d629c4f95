/** The log of the simulation keeps the contract of the port, as every adapter does: else it would prove a fairy tale. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Bell } from "../src/log/event-log.ts";
import { eventLogContract } from "../src/testing/event-log-contract.ts";
import { alice } from "../src/testing/event-log/sample.ts";
import { Chance } from "./simulation/chance.ts";
import { SimDisk } from "./simulation/sim-disk.ts";
import { simLog } from "./simulation/sim-log.ts";
import { SimProcess } from "./simulation/sim-process.ts";
import { StoreLine } from "./simulation/store-line.ts";
import { Trace } from "./simulation/trace.ts";
import { VirtualTime } from "./simulation/virtual-time.ts";

const chance = new Chance("contract");
const time = new VirtualTime(chance.fork("ties"), new Trace());
let isOver = false;
let pumping: Promise<void> | undefined;

async function pump(): Promise<void> {
  while (!isOver) if (!(await time.step())) await new Promise((resolve) => setImmediate(resolve));
}

const anEvent = { stream: alice, events: [{ id: "1", type: "x.a", time: "", data: "{}" }] };

function opener(disk: SimDisk, line?: StoreLine) {
  const process = new SimProcess("p", time, chance);
  return simLog({ time, disk, process, chance, pace: { readMs: 1, foreignBellMs: 5 }, onBug: () => {}, line });
}

async function make(isShared = false) {
  const disk = new SimDisk(time, chance.fork("disk"), { writeMs: 1, syncMs: 2 });
  const open = () => opener(disk, isShared ? new StoreLine(time) : undefined);
  let log = open();
  const reopen = async () => {
    await log.close();
    disk.cutPower();
    await disk.powerOn();
    log = open();
    return log;
  };
  return { log, reopen, dispose: () => log.close() };
}

beforeAll(() => {
  pumping = pump();
});
afterAll(async () => {
  isOver = true;
  await pumping;
});

eventLogContract("the simulated log", () => make(), { describe, it, expect, persists: true });
eventLogContract("the simulated log of several processes", () => make(true), { describe, it, expect, persists: true });

describe("the simulated bells of another process", () => {
  async function two() {
    const disk = new SimDisk(time, chance.fork("disk"), { writeMs: 1, syncMs: 2 });
    const line = new StoreLine(time);
    const [writer, reader] = [opener(disk, new StoreLine(time)), opener(disk, line)];
    const heard: Bell[] = [];
    reader.watch((bell) => void heard.push(bell));
    return { line, writer, reader, heard };
  }

  it("ring for streams that are followed, and say no more than that they have grown", async () => {
    const { writer, reader, heard } = await two();
    await writer.append(anEvent);
    await reader.position(alice);
    await time.sleep(100, "bells come");
    expect(heard).toEqual([]);
    const unfollow = await reader.follow?.(alice);
    await writer.append(anEvent);
    await time.sleep(100, "bells come");
    expect(new Set(heard.map(({ head }) => head))).toEqual(new Set([2]));
    expect(heard.every(({ events }) => events === undefined)).toBe(true);
    unfollow?.();
    const before = heard.length;
    await writer.append(anEvent);
    await time.sleep(100, "bells come");
    expect(heard.length).toBe(before);
  });

  it("are made good when their line was broken, and when they were lost on it", async () => {
    const { line, writer, reader, heard } = await two();
    await reader.follow?.(alice);
    line.breakBells(50);
    await writer.append(anEvent);
    await time.sleep(200, "the line is mended");
    expect(heard.at(-1)?.head).toBe(1);
    line.loseBells(1_000);
    for (let more = 0; more < 20; more += 1) await writer.append(anEvent);
    await time.sleep(6_000, "it looks by itself");
    expect(heard.at(-1)?.head).toBe(21);
  });

  it("do not come to a process that is cut from the store, whose calls have no answer in time", async () => {
    const { line, writer, reader, heard } = await two();
    await reader.follow?.(alice);
    line.cut(5_000);
    await writer.append(anEvent);
    await expect(reader.append(anEvent)).rejects.toThrow("does not answer");
    await expect(reader.position(alice)).rejects.toThrow("does not answer");
    expect(heard).toEqual([]);
    line.heal();
    await time.sleep(100, "bells come");
    expect(heard.at(-1)?.head).toBe(1);
    line.loseAnswers(60_000);
    const fates: string[] = [];
    for (let more = 0; more < 20; more += 1)
      await reader.append(anEvent).then(
        () => fates.push("written"),
        () => fates.push("unknown"),
      );
    expect(new Set(fates)).toEqual(new Set(["written", "unknown"]));
    expect((await writer.position(alice)).head).toBe(21);
  });
});
