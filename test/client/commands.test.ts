import { describe, expect, it } from "vitest";
import { clientUnderTest, untilState, welcomed } from "../support/client-under-test.ts";

describe("client commands", () => {
  it("are the contract's frames, and answer with the reply's data", async () => {
    await using world = await clientUnderTest();
    const connection = await welcomed(world.server);
    await untilState(world.client, "live");
    const answers = [
      world.client.send("hello", { threadId: "t-1", data: { model: "small" } }),
      world.client.cancel("r-1", "changed my mind"),
      world.client.resolveApproval("a-1", "approve", { note: "go" }),
    ];
    const frames = [
      await connection.frame("command"),
      await connection.frame("command"),
      await connection.frame("command"),
    ];
    const approval = { approvalId: "a-1", decision: "approve", data: { note: "go" } };
    expect(frames).toEqual([
      { type: "command", ref: 1, name: "send_message", threadId: "t-1", data: { text: "hello", model: "small" } },
      { type: "command", ref: 2, name: "cancel_run", runId: "r-1", data: { reason: "changed my mind" } },
      { type: "command", ref: 3, name: "resolve_approval", data: approval },
    ]);
    // Answered in another order than asked: the ref says which is which.
    for (const { ref, name } of frames.toReversed()) connection.send({ type: "reply", ref, ok: true, data: { name } });
    expect(await Promise.all(answers)).toEqual([
      { name: "send_message" },
      { name: "cancel_run" },
      { name: "resolve_approval" },
    ]);
    expect(world.timers.waitsMs).not.toContain(30_000);
  });

  it("fail with the server's code when it says no", async () => {
    await using world = await clientUnderTest();
    const connection = await welcomed(world.server);
    const answer = world.client.cancel("r-1");
    const { ref } = await connection.frame("command");
    connection.send({ type: "reply", ref, ok: false, error: { code: "not_found", message: "no such run" } });
    await expect(answer).rejects.toMatchObject({ name: "CommandRefused", code: "not_found", message: "no such run" });
  });

  it("wait for a live connection and leave once", async () => {
    await using world = await clientUnderTest();
    const answer = world.client.send("early");
    const connection = await welcomed(world.server);
    const { ref } = await connection.frame("command");
    connection.send({ type: "reply", ref, ok: true });
    expect(await answer).toEqual({});
    expect(connection.received.filter(({ type }) => type === "command")).toHaveLength(1);
  });

  it("fail as unanswered when the connection goes first, and are not sent again", async () => {
    await using world = await clientUnderTest();
    const first = await welcomed(world.server);
    const answer = world.client.send("once");
    await first.frame("command");
    first.cut();
    await expect(answer).rejects.toMatchObject({ name: "CommandUnanswered" });
    world.timers.advance(200);
    const second = await welcomed(world.server, { resumed: "replayed" });
    await second.frame("confirm");
    await second.settled();
    expect(second.received.map(({ type }) => type)).toEqual(["hello", "confirm"]);
  });

  it("fail in time when no answer comes: sent is unanswered, not sent is not sent", async () => {
    await using world = await clientUnderTest();
    const connection = await welcomed(world.server);
    await untilState(world.client, "live");
    const sent = world.client.send("one");
    await connection.frame("command");
    world.timers.advance(30_000);
    await expect(sent).rejects.toMatchObject({ name: "CommandUnanswered" });
    await using down = await clientUnderTest({ autoStart: false });
    const unsent = down.client.send("two");
    down.timers.advance(30_000);
    await expect(unsent).rejects.toMatchObject({ name: "CommandNotSent" });
  });

  it("are refused before they can break the connection: too big, or too many", async () => {
    await using world = await clientUnderTest({ autoStart: false });
    await expect(world.client.send("é".repeat(33_000))).rejects.toMatchObject({ name: "CommandNotSent" });
    const waiting = Array.from({ length: 50 }, (_, n) => world.client.send(`${n}`));
    await expect(world.client.send("one more")).rejects.toMatchObject({ name: "CommandNotSent" });
    const ends = Promise.allSettled(waiting);
    world.client.close();
    expect(new Set((await ends).map(({ status }) => status))).toEqual(new Set(["rejected"]));
  });
});
