import { describe, expect, it } from "vitest";
import type { ClientFrame } from "../../protocol/frames.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

/** What a client is told that sends this command. */
async function answerTo(command: Partial<ClientFrame>) {
  const { connect, settle } = await runtimeUnderTest();
  const tab = await connect("alice");
  tab.say({ type: "command", ref: 1, name: "", ...command } as ClientFrame);
  await settle();
  return tab.of("reply")[0]?.error;
}

describe("the answer to a command", () => {
  it.each<[string, Record<string, unknown>, string]>([
    ["no run to cancel", { name: "cancel_run" }, "runId is missing"],
    ["an unknown field", { name: "cancel_run", runId: "r", data: { deadline: 1 } }, "data"],
    ["no approval to answer", { name: "resolve_approval", data: {} }, "data.approvalId is missing"],
    ["no decision", { name: "resolve_approval", data: { approvalId: "p" } }, "data.decision"],
    ["nobody to hear it", { name: "send_message" }, "no agent listens on this server"],
    ["no known name", { name: "fly" }, "unknown command: fly; known are send_message, cancel_run, resolve_approval"],
  ])("names what is wrong with %s", async (_, command, words) => {
    expect((await answerTo(command as Partial<ClientFrame>))?.message).toContain(words);
  });

  it("repeats no more than the beginning of a long name", async () => {
    const error = await answerTo({ name: "f".repeat(100) } as Partial<ClientFrame>);
    expect(error?.message).toContain(`${"f".repeat(64)};`);
    expect(error?.message).not.toContain("f".repeat(65));
  });

  it("leaves what the application's handler threw in the journal, for its operator", async () => {
    const told: unknown[] = [];
    const cause = new Error("a bug of the application");
    const { connect, settle } = await runtimeUnderTest({
      onCommand: () => Promise.reject(cause),
      journal: { write: (...record) => void told.push(record) },
    });
    const tab = await connect("alice");
    tab.say({ type: "command", ref: 1, name: "send_message" });
    await settle();
    expect(told).toContainEqual(["error", "command.failed", { cause }]);
  });
});
