import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Runcast } from "../src/index.ts";
import { createRuncast } from "../src/index.ts";

const secret = "a-secret-of-at-least-32-bytes-for-tests";
let runcast: Runcast | undefined;

afterEach(() => runcast?.close());

async function embedded(): Promise<Runcast> {
  runcast = await createRuncast({ store: "memory:", auth: { kind: "secret", secret } });
  return runcast;
}

describe("an embedded Runcast", () => {
  it("runs a tool inside a run and shows each step in the user's stream", async () => {
    const { startRun, events } = await embedded();
    const run = await startRun({ userId: "alice", agent: "adder", input: { text: "1 + 1" } });
    await run.thinking("easy");
    const sum = await run.tool({ toolName: "add", toolCallId: "c1", args: [1, 1] }, () => 1 + 1);
    await run.completed(sum);
    const seen: string[] = [];
    for await (const { type } of events({ userId: "alice" })) {
      seen.push(type);
      if (type === "agent_completed") break;
    }
    expect(seen).toEqual(["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"]);
  });

  it("closes a tool that threw as an error, and hands the error on", async () => {
    const { startRun, run: view } = await embedded();
    const run = await startRun({ userId: "alice", agent: "a" });
    const failing = run.tool({ toolName: "t", toolCallId: "c1" }, () => {
      throw new Error("no network");
    });
    await expect(failing).rejects.toThrow("no network");
    expect((await view(run.runId)).tools).toMatchObject([
      { toolCallId: "c1", status: "error", error: { message: "no network" } },
    ]);
  });

  it("aborts a run's signal when it is asked to stop", async () => {
    const { startRun, cancel, run: view } = await embedded();
    const run = await startRun({ userId: "alice", agent: "a" });
    const { signal } = run;
    await cancel(run.runId, { reason: "enough" });
    expect(signal.aborted).toBe(true);
    expect(await view(run.runId)).toMatchObject({ cancelling: true });
    await run.cancelled("as asked");
    expect(await view(run.runId)).toMatchObject({ state: "cancelled", reason: "as asked" });
  });

  it("answers an approval once", async () => {
    const { startRun, resolveApproval, run: view } = await embedded();
    const run = await startRun({ userId: "alice", agent: "a" });
    await run.suspended({ reason: "approval", approvals: [{ approvalId: "a1", prompt: "Delete it?" }] });
    await resolveApproval("a1", { decision: "deny" });
    await expect(resolveApproval("a1", { decision: "approve" })).rejects.toMatchObject({ _tag: "AlreadyResolved" });
    expect((await view(run.runId)).approvals).toMatchObject([{ approvalId: "a1", decision: "deny" }]);
  });

  it("says what is wrong with its input", async () => {
    const { startRun, cancel } = await embedded();
    await expect(startRun({ userId: "", agent: "a" })).rejects.toMatchObject({ _tag: "InvalidInput", path: "userId" });
    await expect(cancel("no-such-run")).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(createRuncast({ store: "memory:", auth: { kind: "secret", secret: "short" } })).rejects.toMatchObject({
      _tag: "InvalidConfig",
    });
  });

  it("gives an attached server back when it closes, so that a new Runcast can have it", async () => {
    const server = createServer((_request, response) => response.end("mine")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/runs`;
    const read = async () => (await fetch(url)).text();
    const first = await embedded();
    first.attach(server);
    expect(await read()).toContain("unauthenticated");
    await first.close();
    expect(await read()).toBe("mine");
    const second = await embedded();
    second.attach(server);
    expect(await read()).toContain("unauthenticated");
    server.closeAllConnections();
    server.close();
  });

  it("shows its actors to an inspector until that detaches", async () => {
    const { startRun, inspect } = await embedded();
    const types: string[] = [];
    const detach = inspect(({ type }) => void types.push(type));
    const run = await startRun({ userId: "alice", agent: "a" });
    detach();
    const seen = types.length;
    await run.completed();
    expect(types).toContain("@xstate.actor");
    expect(types).toContain("@xstate.event");
    expect(types).toHaveLength(seen);
  });
});
