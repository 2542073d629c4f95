import { describe, expect, it } from "vitest";
import { alice } from "../../src/testing/event-log/sample.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { eventLogContract } from "../../src/testing/event-log-contract.ts";

async function make() {
  const log = memoryLog({ onBug: () => {} });
  return { log, dispose: () => log.close() };
}

eventLogContract("the memory log", make, { describe, it, expect });

describe("memoryLog", () => {
  it("draws another epoch for each log, from the given chance", async () => {
    const position = (log: ReturnType<typeof memoryLog>) => log.position(alice);
    const epochs = [memoryLog(), memoryLog()].map(async (log) => (await position(log)).epoch);
    expect(new Set(await Promise.all(epochs)).size).toBe(2);
    const seeded = memoryLog({ random: (count) => new Uint8Array(count) });
    expect((await position(seeded)).epoch).toBe("AAAAAAAAAAAAAAAA");
  });

  it("hands what a listener threw to onBug", async () => {
    const bugs: unknown[] = [];
    const log = memoryLog({ onBug: (error) => void bugs.push(error) });
    const bug = new Error("a bug of the listener");
    log.watch(() => {
      throw bug;
    });
    await log.append({ stream: alice, events: [{ id: "1", type: "x.a", time: "", data: "{}" }] });
    expect(bugs).toEqual([bug]);
  });
});
