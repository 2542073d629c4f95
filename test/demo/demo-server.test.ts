import { afterEach, describe, expect, it } from "vitest";
import type { StreamEvent } from "../../protocol/event.ts";
import { isTerminalType } from "../../protocol/event.ts";
import { asTenantId, asUserId } from "../../protocol/ids.ts";
import { demoServer } from "../../src/demo/demo-server.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { createRuncast } from "../../src/make-runcast.ts";
import type { Runcast } from "../../src/runcast.ts";
import type { UserCommand } from "../../src/runtime/options.ts";
import { silentJournal } from "../../src/telemetry/journal.ts";

const auth = { kind: "secret", secret: "a secret of more than thirty-two bytes" } as const;
const opened: Runcast[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((runcast) => runcast.close()));
});

async function begin(store: EventLog) {
  const demo = demoServer(silentJournal, { speed: Number.POSITIVE_INFINITY, env: {} });
  const runcast = await createRuncast({ store, auth, onCommand: demo.onCommand, onOrphan: demo.onOrphan });
  opened.push(runcast);
  demo.begin(runcast);
  return { demo, runcast };
}

const says = (text: unknown): UserCommand => ({
  name: "send_message",
  tenantId: asTenantId("default"),
  userId: asUserId("alice"),
  threadId: "t1",
  data: { text },
});

async function untilTerminal(runcast: Runcast): Promise<StreamEvent[]> {
  const seen: StreamEvent[] = [];
  for await (const event of runcast.events({ userId: "alice" })) {
    seen.push(event);
    if (isTerminalType(event.type)) break;
  }
  return seen;
}

describe("demo server", () => {
  it("answers a message in a run of its user and thread", async () => {
    const { demo, runcast } = await begin(memoryLog());
    const { runId } = await demo.onCommand(says("What is 15% of 2,480?"));
    const seen = await untilTerminal(runcast);
    expect(new Set(seen.map((event) => JSON.stringify([event.runId, event.threadId])))).toEqual(
      new Set([JSON.stringify([runId, "t1"])]),
    );
    expect(seen[0]).toMatchObject({ type: "agent_started", data: { input: { text: "What is 15% of 2,480?" } } });
    expect(seen.map(({ type }) => type)).toContain("tool_executing");
    expect(seen.at(-1)?.type).toBe("agent_completed");
  });

  it.each([undefined, 1, "", "  ", "x".repeat(8_001)])("refuses %j as a message", async (text) => {
    const { demo } = await begin(memoryLog());
    await expect(demo.onCommand(says(text))).rejects.toMatchObject({ _tag: "InvalidInput", path: "data.text" });
  });

  it("ends its runs that a killed server left behind, and no one else's (L16)", async () => {
    const log = memoryLog();
    const killed = await begin(log);
    const { runId } = await killed.demo.onCommand(says("What is 15% of 2,480?"));
    const [started] = await untilTerminal(killed.runcast);
    const agent = started?.type === "agent_started" ? started.data.agent : "";
    const left = await killed.runcast.startRun({ userId: "alice", agent, runId: "left" });
    await killed.runcast.startRun({ userId: "alice", agent: "another", runId: "others" });

    const { runcast } = await begin(log);
    const after = (await runcast.run(String(runId))).offset + 1;
    for await (const event of runcast.events({ userId: "alice", after })) if (isTerminalType(event.type)) break;
    expect(await runcast.run("left")).toMatchObject({
      state: "failed",
      error: { code: "server_restarted", retryable: true },
    });
    expect((await runcast.run("others")).state).toBe("started");
    // The killed server's runner, were it still there, is fenced.
    await expect(left.thinking()).rejects.toMatchObject({
      _tag: expect.stringMatching(/Fenced|RunEnded|SeqConflict/) as string,
    });
  });
});
