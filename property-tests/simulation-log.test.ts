/** The log of the simulation keeps the contract of the port, as every adapter does: else it would prove a fairy tale. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventLogContract } from "../src/testing/event-log-contract.ts";
import { Chance } from "./simulation/chance.ts";
import { SimDisk } from "./simulation/sim-disk.ts";
import { simLog } from "./simulation/sim-log.ts";
import { SimProcess } from "./simulation/sim-process.ts";
import { Trace } from "./simulation/trace.ts";
import { VirtualTime } from "./simulation/virtual-time.ts";

const chance = new Chance("contract");
const time = new VirtualTime(chance.fork("ties"), new Trace());
let isOver = false;
let pumping: Promise<void> | undefined;

async function pump(): Promise<void> {
  while (!isOver) if (!(await time.step())) await new Promise((resolve) => setImmediate(resolve));
}

async function make() {
  const disk = new SimDisk(time, chance.fork("disk"), { writeMs: 1, syncMs: 2 });
  const open = () => {
    const process = new SimProcess("p", time, chance);
    return simLog({ time, disk, process, chance, pace: { readMs: 1, foreignBellMs: 5 }, onBug: () => {} });
  };
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

eventLogContract("the simulated log", make, { describe, it, expect, persists: true });
