import { describe, expect, it } from "vitest";
import { asConnectionId, asEpoch, asUserId, defaultTenant, streamKey } from "../../protocol/ids.ts";
import { LogUnavailable } from "../../src/errors.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { follow } from "../../src/runtime/follow.ts";
import { delta, note, thinking } from "../support/events.ts";
import type { NodeUnderTest } from "../support/nodes-under-test.ts";
import { nodesUnderTest } from "../support/nodes-under-test.ts";
import { publisher, userOf } from "../support/runtime-under-test.ts";

const alice = streamKey(defaultTenant, asUserId("alice"));

/** A log that can be made to look like one that was lost and rebuilt. */
function rebuiltLog(): EventLog & { rebuild(): void } {
  const log = memoryLog();
  let epoch: string | undefined;
  const now = <Where extends object>(where: Where): Where =>
    epoch === undefined ? where : { ...where, epoch: asEpoch(epoch) };
  return {
    ...log,
    position: async (...ask) => now(await log.position(...ask)),
    read: async (...ask) => now(await log.read(...ask)),
    living: async (...ask) => now(await log.living(...ask)),
    append: async (append) => now(await log.append(append)),
    rebuild: () => {
      epoch = "another";
    },
  };
}

const openSse = async (node: NodeUnderTest, user = "alice") => {
  const tab = await node.open({ kind: "sse", principal: userOf(user, node.clock.now()) });
  tab.say({ type: "hello", from: "start", device: `${user}-sse` });
  await node.settle();
  return tab;
};
const ack = ({ call, parts, clock }: NodeUnderTest, user: string, id: string, offset: number) =>
  call(parts.service.ack(userOf(user, clock.now()), asConnectionId(id), offset));

describe("a reader at one node", () => {
  it("is handed what another node appends, in order, and declares nothing", async () => {
    const { nodes } = await nodesUnderTest({}, { count: 3 });
    const tab = await nodes[2]?.connect("alice", { from: "start" });
    const { runId } = await nodes[0].start();
    for (let index = 0; index < 20; index += 1)
      await (nodes[index % 2] ?? nodes[0]).publish(runId, 1, [delta(`${index}`)]);
    await nodes[0].settle();
    expect(tab?.events().map(({ offset }) => offset)).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
    expect(tab?.of("gap")).toEqual([]);
  });

  it("reads what another node appends once with all the others there, and gets the frame that they get", async () => {
    const { nodes } = await nodesUnderTest();
    const [first, second] = nodes;
    const tabs = [await second.connect("alice", { from: "now" }), await second.connect("alice", { from: "now" })];
    const { runId } = await first.start();
    await second.settle();
    let reads = 0;
    const { read } = second.faults;
    Object.assign(second.faults, {
      read: (...asked: Parameters<typeof read>) => {
        reads += 1;
        return read(...asked);
      },
    });
    for (let index = 0; index < 5; index += 1) {
      await first.publish(runId, 1, [delta(`${index}`)]);
      await second.settle();
    }
    expect(tabs.map((tab) => tab.events().map(({ offset }) => offset))).toEqual([
      [1, 2, 3, 4, 5, 6],
      [1, 2, 3, 4, 5, 6],
    ]);
    expect(reads).toBe(5);
    expect(tabs[0]?.transport.raw.at(-1)).toBe(tabs[1]?.transport.raw.at(-1));
  });

  it("gets all in order where two nodes append at once and a look at the log fails in between", async () => {
    const { nodes, clock } = await nodesUnderTest();
    const [first, second] = nodes;
    const tab = await second.connect("alice", { from: "now" });
    const { runId } = await first.start();
    let looks = 0;
    const { read } = second.faults;
    Object.assign(second.faults, {
      read: (...asked: Parameters<typeof read>) => {
        looks += 1;
        return looks % 3 === 0
          ? Promise.reject(new LogUnavailable({ message: "gone", retryAfterMs: 1 }))
          : read(...asked);
      },
    });
    for (let index = 0; index < 30; index += 1)
      await Promise.all(nodes.map((node) => node.publish(runId, 1, [delta(`${index}`)])));
    await clock.advance(5_000);
    await second.settle();
    expect(tab.events().map(({ offset }) => offset)).toEqual(Array.from({ length: 61 }, (_, index) => index + 1));
    expect(tab.of("gap")).toEqual([]);
  });

  it("comes back at one that the bell has not reached yet, and nothing is declared (L4)", async () => {
    // No bell comes from anywhere.
    const { nodes } = await nodesUnderTest({}, { line: () => {} });
    const [first, second] = nodes;
    const tab = await first.connect("alice", { from: "start" });
    // Somebody keeps the stream open there, as it stood.
    await second.connect("alice", { from: "now" });
    const { runId } = await first.start();
    await first.publish(runId, 1, [thinking]);
    const { epoch = "" } = tab.of("welcome")[0] ?? {};
    const back = await second.connect("alice", { cursor: { epoch, offset: 2 } });
    expect(back.of("welcome")[0]).toMatchObject({ resumed: "replayed", head: 2 });
    expect(back.of("gap")).toEqual([]);
    await first.publish(runId, 1, [thinking]);
    await second.view.mend();
    await second.settle();
    expect(back.events().map(({ offset }) => offset)).toEqual([3]);
  });

  it("goes home when the log has another epoch, and comes back with a gap and the state", async () => {
    const log = rebuiltLog();
    const { nodes } = await nodesUnderTest({}, { log });
    const [first, second] = nodes;
    const tab = await second.connect("alice", { from: "start" });
    const bob = await second.connect("bob");
    const { runId } = await first.start();
    await first.publish(runId, 1, [thinking]);
    await second.settle();
    const epoch = tab.of("welcome")[0]?.epoch ?? "";
    log.rebuild();
    await second.view.mend();
    await second.settle();
    expect(tab.transport.ended).toMatchObject({ code: 1012 });
    expect(tab.of("goodbye")).toHaveLength(1);
    const back = await second.connect("alice", { cursor: { epoch, offset: 2 } });
    expect(back.of("welcome")[0]).toMatchObject({ epoch: "another", resumed: "gap" });
    expect(back.of("gap")).toMatchObject([{ reason: "epoch" }]);
    expect(back.of("snapshot")[0]?.runs).toMatchObject([{ runId, state: "thinking" }]);
    expect(bob.transport.ended?.code).toBe(1012);
  });

  it("goes home when it reads on from the log, and no bell has told of the other epoch", async () => {
    const log = rebuiltLog();
    const { nodes } = await nodesUnderTest({}, { log });
    const [first, second] = nodes;
    const tab = await second.connect("alice", { from: "start" });
    const { runId } = await first.start();
    await second.settle();
    log.rebuild();
    // The memory log's own bell has the old epoch.
    await first.publish(runId, 1, [thinking]);
    await second.settle();
    expect(tab.transport.ended).toMatchObject({ code: 1012 });
    expect(tab.events().map(({ offset }) => offset)).toEqual([1]);
  });

  it("in the server's own process hears what other nodes append", async () => {
    const { nodes } = await nodesUnderTest();
    const [first, second] = nodes;
    const seen: number[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      for await (const { offset } of follow(second.parts.log, alice, undefined, stop.signal)) seen.push(offset);
    })();
    await second.settle();
    const { runId } = await first.start();
    await first.publish(runId, 1, [thinking]);
    await second.settle();
    expect(seen).toEqual([1, 2]);
    stop.abort();
    await reading;
    expect(second.view.followedCount).toBe(0);
  });

  it("that moves to another node with its device goes on where its client stands, whatever is saved late", async () => {
    const { nodes, clock, log } = await nodesUnderTest();
    const [first, second] = nodes;
    const { runId } = await first.start();
    await first.publish(runId, 1, [delta("a"), delta("b")]);
    const before = await first.connect("alice", { from: "start", device: "phone" });
    const epoch = before.of("welcome")[0]?.epoch ?? "";
    before.say({ type: "ack", offset: 2 });
    const after = await second.connect("alice", { cursor: { epoch, offset: 3 }, device: "phone" });
    await clock.advance(300);
    await first.publish(runId, 1, [delta("c")]);
    await second.settle();
    expect(after.events().map(({ offset }) => offset)).toEqual([4]);
    await clock.advance(300);
    expect(await log.cursor(alice, "phone" as never)).toBe(3);
  });
});

describe("an ack of SSE", () => {
  it("that comes in at another node frees the window of its connection, and is saved under its device", async () => {
    const { nodes, clock, log } = await nodesUnderTest({ windowEvents: 2 });
    const [first, second] = nodes;
    const tab = await openSse(first);
    const { runId } = await second.start();
    await second.publish(runId, 1, [note(), note(), note(), note()]);
    await first.settle();
    const id = tab.of("welcome")[0]?.connectionId ?? "";
    expect(tab.events()).toHaveLength(2);
    await ack(second, "alice", id, 2);
    await clock.advance(500);
    expect(tab.events()).toHaveLength(4);
    await ack(second, "alice", id, 4);
    await clock.advance(1_000);
    expect(tab.events()).toHaveLength(5);
    expect(await log.cursor(alice, "alice-sse" as never)).toBe(4);
    expect(await log.documents({ kind: "acks", limit: 10 })).toEqual([]);
  });

  it("is refused for what no node holds, and changes nothing of somebody else's connection", async () => {
    const { nodes, clock, log } = await nodesUnderTest({ windowEvents: 1 });
    const [first, second] = nodes;
    const tab = await openSse(first);
    const { runId } = await second.start();
    await second.publish(runId, 1, [delta("1")]);
    await first.settle();
    const id = tab.of("welcome")[0]?.connectionId ?? "";
    for (const made of ["x", `${"A".repeat(28)}.x`, id.slice(5)])
      await expect(ack(second, "alice", made, 1)).rejects.toMatchObject({ _tag: "NotFound" });
    await ack(second, "bob", id, 1);
    await clock.advance(1_000);
    expect(tab.events()).toHaveLength(1);
    expect(await log.documents({ kind: "acks", limit: 10 })).toEqual([]);
  });

  it("for a node that is gone is forgotten", async () => {
    const { nodes, clock, log } = await nodesUnderTest();
    const [first, second] = nodes;
    const tab = await openSse(first);
    first.kill();
    await ack(second, "alice", tab.of("welcome")[0]?.connectionId ?? "", 0);
    await clock.advance(200_000);
    expect(await log.documents({ kind: "acks", limit: 10 })).toEqual([]);
  });
});

describe("what an operator says at one node", () => {
  it("sends a user away at every node within a second, and lets them in again", async () => {
    const { nodes, clock } = await nodesUnderTest({}, { count: 3 });
    const tabs = await Promise.all(nodes.map((node) => node.connect("alice")));
    const bobs = await Promise.all(nodes.map((node) => node.connect("bob")));
    await clock.advance(5_000);
    const { service } = nodes[0].parts;
    await nodes[0].call(service.revoke(publisher, { userId: asUserId("alice") }));
    await clock.advance(1_000);
    for (const tab of tabs) expect(tab.transport.ended?.code).toBe(4401);
    for (const tab of bobs) expect(tab.transport.ended).toBeUndefined();
    for (const node of nodes) expect((await node.connect("alice")).transport.ended?.code).toBe(4401);
    await nodes[1].call(nodes[1].parts.service.liftRevocation(publisher, { userId: asUserId("alice") }));
    await clock.advance(1_000);
    for (const node of nodes) expect((await node.connect("alice")).of("welcome")).toHaveLength(1);
  });

  it("holds as a flag at every node within a second", async () => {
    const { nodes, clock } = await nodesUnderTest({}, { count: 3 });
    await nodes[0].parts.flags.set({ performanceMode: true }, "key:test");
    await clock.advance(1_000);
    for (const { parts } of nodes)
      expect(parts.flags.get()).toMatchObject({ version: 1, flags: { performanceMode: true } });
    await nodes[2]?.parts.flags.rollback("key:test");
    await clock.advance(1_000);
    for (const { parts } of nodes)
      expect(parts.flags.get()).toMatchObject({ version: 2, flags: { performanceMode: false } });
  });
});
