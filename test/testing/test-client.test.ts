/** The scripted client, and ours in memory: both over a wire to the real connection actor. */
import { describe, expect, it } from "vitest";
import { testRuncast } from "../../src/testing/make-test-runcast.ts";

const offsets = (events: readonly { readonly offset: number }[]) => events.map(({ offset }) => offset);

describe("the scripted client", () => {
  it("says hello, collects frames, and gives each once by type", async () => {
    await using runcast = await testRuncast();
    const run = await runcast.startRun({ userId: "alice", agent: "a" });
    const client = await runcast.connect("alice");
    expect(client.frames.map(({ type }) => type)).toEqual(["welcome", "snapshot", "status"]);
    const coming = client.frame("events");
    await run.thinking();
    expect(await coming).toMatchObject({ after: 1, upto: 2, events: [{ type: "agent_thinking" }] });
    await run.completed();
    expect(await client.frame("events")).toMatchObject({ after: 2, upto: 3 });
    expect(client.upto).toBe(3);
    client.ack();
    await runcast.settle();
    expect(await runcast.ledger("alice")).toMatchObject({ acked: 3 });
  });

  it("is closed for what the contract does not allow, and says why a frame never comes", async () => {
    await using runcast = await testRuncast();
    const silent = runcast.dial("alice");
    await runcast.advance(5_100);
    expect(await silent.closed).toMatchObject({ code: 4408 });
    const rude = await runcast.connect("alice");
    rude.text('{"type":"ack","offset":-1}');
    await expect(rude.frame("events")).rejects.toThrow(/no events frame: the connection ended with 4400 .*welcome/);
    const twice = await runcast.connect("alice");
    await expect(twice.hello()).rejects.toThrow("a second hello");
    const stranger = runcast.dial("alice");
    await expect(stranger.hello({ token: "" })).rejects.toThrow("4400");
  });

  it("resumes at its cursor after a cut: no hole, no double (L4, L5)", async () => {
    await using runcast = await testRuncast();
    const run = await runcast.startRun({ userId: "alice", agent: "a" });
    const first = await runcast.connect("alice", { from: "start" });
    await run.thinking();
    await runcast.settle();
    first.cut();
    await run.completed();
    await runcast.settle();
    const { cursor } = first;
    if (cursor === undefined) throw new Error("it was welcomed, so it has a cursor");
    const second = await runcast.connect("alice", { cursor });
    expect([...offsets(first.events), ...offsets(second.events)]).toEqual([1, 2, 3]);
    expect(await second.frame("welcome")).toMatchObject({ resumed: "replayed" });
  });

  it("loses nothing by not reading, costs a bounded buffer, and is closed for silence (L11)", async () => {
    await using runcast = await testRuncast({ windowEvents: 4, heartbeatMs: 1_000 });
    const slow = await runcast.connect("alice", { from: "now", mergeDeltas: false });
    slow.pause();
    for (let number = 1; number <= 10; number += 1)
      await runcast.notify({ userId: "alice", type: "x.n", data: { number } });
    await runcast.settle();
    expect(slow.events).toEqual([]);
    slow.resume();
    await runcast.settle();
    expect(offsets(slow.events)).toEqual([1, 2, 3, 4]);
    slow.ack();
    await runcast.settle();
    slow.ack();
    await runcast.settle();
    slow.ack();
    await runcast.settle();
    expect(offsets(slow.events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    slow.silence();
    await runcast.advance(4_000);
    expect(slow.ended).toBeUndefined();
    slow.resume();
    await runcast.settle();
    expect(slow.ended).toMatchObject({ code: 4408 });
  });

  it("fills the server's buffer by not reading, and the server stops there (L11)", async () => {
    const windowBytes = 64 * 1_048_576;
    await using runcast = await testRuncast({ windowBytes });
    const slow = await runcast.connect("alice", { from: "now" });
    slow.pause();
    const notices = 40;
    const text = "x".repeat(64 * 1_024);
    for (let number = 1; number <= notices; number += 1)
      await runcast.notify({ userId: "alice", type: "x.n", data: { text } });
    await runcast.settle();
    expect(runcast.runtime.stats().eventsSent).toBeLessThan(notices);
    slow.resume();
    await runcast.settle();
    expect(offsets(slow.events)).toHaveLength(notices);
  });

  it("asks commands and gets their replies, also a no", async () => {
    const onCommand = async ({ data }: { data: object }) => ({ echo: data });
    await using runcast = await testRuncast({ onCommand });
    const client = await runcast.connect("alice");
    expect(await client.command("send_message", { data: { text: "hi" } })).toMatchObject({
      ok: true,
      data: { echo: { text: "hi" } },
    });
    expect(await client.command("cancel_run", { runId: "none" })).toMatchObject({
      ok: false,
      error: { code: "not_found" },
    });
  });

  it("is kept off the network while it is offline", async () => {
    await using runcast = await testRuncast();
    const alice = await runcast.connect("alice");
    const bob = await runcast.connect("bob");
    runcast.network.setOffline(true, "alice");
    await runcast.settle();
    expect([alice.ended?.code, bob.ended?.code]).toEqual([1006, undefined]);
    await expect(runcast.connect("alice")).rejects.toThrow("1006");
    runcast.network.setOffline(false, "alice");
    await runcast.connect("alice");
    runcast.network.cut();
    await runcast.settle();
    expect(bob.ended?.code).toBe(1006);
  });
});

describe("our client in memory", () => {
  it("comes back after cuts, offline hours and a crash, with every event once and in order (L3, L4, L5)", async () => {
    await using first = await testRuncast();
    const client = first.client("alice", { from: "start" });
    const seen: number[] = [];
    client.on("event", ({ offset }) => seen.push(offset));
    const run = await first.startRun({ userId: "alice", agent: "a", runId: "r" });
    await first.settle();
    expect(client.status.state).toBe("live");
    first.network.cut("alice");
    await run.thinking();
    await first.settle();
    expect(client.status.state).toBe("waiting");
    await first.advance(1_000);
    first.network.setOffline(true);
    await run.delta("m", "while away");
    await first.advance(3_600_000);
    first.network.setOffline(false);
    await first.advance(11_000);
    expect(client.status.state).toBe("live");
    const second = await first.crash();
    await second.settle();
    expect(client.status.state).toBe("waiting");
    const again = await second.claim("r");
    await again.completed("done");
    await second.advance(11_000);
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(client.run("r").view).toMatchObject({ state: "completed", output: "done" });
    expect(client.status).toMatchObject({ holes: 0, doubles: 0 });
    client.close();
    await second.settle();
    expect(await second.ledger("alice")).toMatchObject({ acked: 4, difference: 0 });
  });

  it("serves code that calls `connect` itself", async () => {
    await using runcast = await testRuncast({ onCommand: async ({ data }) => data });
    const { connect } = await import("../../src/client/index.ts");
    const client = connect({ ...runcast.clientOptions("alice"), device: "tab-1" });
    expect(await client.send("hello")).toEqual({ text: "hello" });
    client.close();
  });

  it("finds a dead link by its own heartbeat, and comes back when there is a network (FAULTS 15)", async () => {
    await using runcast = await testRuncast({ heartbeatMs: 2_000 });
    const client = runcast.client("alice");
    await runcast.settle();
    runcast.network.setSilent(true);
    await runcast.advance(5_000);
    expect(client.status.state).toBe("live");
    await runcast.advance(2_000);
    expect(client.status.state).not.toBe("live");
    runcast.network.setSilent(false);
    await runcast.advance(20_000);
    expect(client.status.state).toBe("live");
    client.close();
  });
});
