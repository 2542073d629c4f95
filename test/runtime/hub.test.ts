import { describe, expect, it } from "vitest";
import type { Bell, EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { Hubs } from "../../src/runtime/hub.ts";
import type { Outbox } from "../../src/runtime/outbox.ts";
import { alice, bob, event, notice, wide, write } from "../../src/testing/event-log/sample.ts";

const outbox = (): Outbox => ({}) as Outbox;

async function world() {
  const memory = memoryLog();
  const gate: { waits: Promise<void> | undefined } = { waits: undefined };
  let positions = 0;
  const log: EventLog = {
    ...memory,
    position: async (stream) => {
      positions += 1;
      const position = await memory.position(stream);
      await gate.waits;
      return position;
    },
  };
  const hubs = new Hubs(log, () => 0);
  memory.watch((bell: Bell) => hubs.ring(bell));
  await write(log, notice(alice, "a", "b"));
  return { log, hubs, gate, positions: () => positions };
}
const textOf = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : (JSON.parse(new TextDecoder().decode(bytes)) as { events: { offset: number }[] });

describe("the hub of a stream", () => {
  it("is one for all who follow it, asked of the log once, and freed with the last of them", async () => {
    const { hubs, positions } = await world();
    const [first, second] = await Promise.all([hubs.open(alice), hubs.open(alice)]);
    expect(second).toBe(first);
    expect([positions(), hubs.count, first.head]).toEqual([1, 1, 2]);
    hubs.release(first);
    expect(hubs.get(alice)).toBe(first);
    hubs.release(first);
    expect([hubs.get(alice), hubs.count]).toEqual([undefined, 0]);
    const third = await hubs.open(alice);
    expect(third).not.toBe(first);
    hubs.release(third);
  });

  it("knows what was rung while its place was being read", async () => {
    const { log, hubs, gate } = await world();
    const waits = Promise.withResolvers<void>();
    gate.waits = waits.promise;
    const opening = hubs.open(alice);
    await write(log, notice(alice, "c"));
    await write(log, notice(bob, "x"));
    waits.resolve();
    const hub = await opening;
    expect(hub.head).toBe(3);
    expect(hub.eventsAfter(2, wide)?.map(({ offset }) => offset)).toEqual([3]);
    hubs.release(hub);
  });

  it("is asked for again when the log did not answer", async () => {
    const { hubs, gate } = await world();
    gate.waits = Promise.reject(new Error("silence"));
    gate.waits.catch(() => {});
    await expect(hubs.open(alice)).rejects.toThrow("silence");
    gate.waits = undefined;
    expect((await hubs.open(alice)).head).toBe(2);
  });

  it("encodes a frame once for all who stand at one place, and anew when there is more", async () => {
    const { log, hubs } = await world();
    const hub = await hubs.open(alice);
    await write(log, notice(alice, "c"));
    const shared = hub.frameAfter(2);
    expect(textOf(shared?.frame.bytes)?.events.map(({ offset }) => offset)).toEqual([3]);
    expect(hub.frameAfter(2)).toBe(shared);
    await write(log, notice(alice, "d"));
    const more = hub.frameAfter(2);
    expect(textOf(more?.frame.bytes)?.events.map(({ offset }) => offset)).toEqual([3, 4]);
    expect(textOf(hub.frameAfter(3)?.frame.bytes)?.events.map(({ offset }) => offset)).toEqual([4]);
    expect(hub.frameAfter(4)).toBeUndefined();
    expect(hub.frameAfter(0)).toBeUndefined();
  });

  it("keeps a full frame for who comes later, whatever follows it", async () => {
    const { log, hubs } = await world();
    const hub = await hubs.open(alice);
    const many = Array.from({ length: 130 }, (_, at) => event(`${at}`));
    await write(log, { stream: alice, events: many });
    const full = hub.frameAfter(2);
    expect([full?.upto, full?.eventCount]).toEqual([130, 128]);
    await write(log, notice(alice, "on"));
    expect(hub.frameAfter(2)).toBe(full);
  });

  it("keeps nothing at hand while all who follow it stand still, and what comes once one goes on (L11)", async () => {
    const { log, hubs } = await world();
    const hub = await hubs.open(alice);
    await hubs.open(alice);
    const [one, two] = [outbox(), outbox()];
    await write(log, notice(alice, "c"));
    hub.rest(one);
    expect(hub.eventsAfter(2, wide)).toHaveLength(1);
    expect(hub.frameAfter(2)).toBeDefined();
    hub.rest(two);
    expect(hub.eventsAfter(2, wide)).toBeUndefined();
    expect(hub.frameAfter(2)).toBeUndefined();
    await write(log, notice(alice, "d"));
    expect([hub.head, hub.eventsAfter(3, wide)]).toEqual([4, undefined]);
    hub.wake(one);
    await write(log, notice(alice, "e"));
    expect(hub.eventsAfter(4, wide)?.map(({ offset }) => offset)).toEqual([5]);
  });

  it("never goes back", async () => {
    const { hubs, log } = await world();
    const hub = await hubs.open(alice);
    const { epoch } = await log.position(alice);
    hub.advance({ stream: alice, epoch, head: 1 });
    expect(hub.head).toBe(2);
  });
});
