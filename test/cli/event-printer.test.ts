import { describe, expect, it } from "vitest";
import type { EventDataOf, EventType, StreamEvent } from "../../protocol/event.ts";
import { eventPrinter } from "../../src/cli/event-printer.ts";
import type { Paint } from "../../src/cli/paint.ts";

const plain: Paint = (_, text) => text;

function printed(columns?: number) {
  let text = "";
  let offset = 0;
  const printer = eventPrinter({ write: (part) => (text += part), paint: plain, columns: () => columns });
  return {
    say<Type extends EventType>(type: Type, data: EventDataOf<Type>, runId = "run-00000001") {
      offset += 1;
      printer.print({
        id: `e${offset}`,
        type,
        runId,
        seq: offset,
        offset,
        time: "2026-01-02T03:04:05.678Z",
        data,
      } as StreamEvent);
    },
    lines: () => {
      printer.finish();
      return text.split("\n").slice(0, -1);
    },
  };
}

describe("event printer", () => {
  it("prints one aligned line for each event: time, run, seq, offset, type and what it says", () => {
    const out = printed();
    out.say("agent_started", { agent: "demo", input: "hello" });
    out.say("tool_executing", { toolCallId: "c1", toolName: "calculator", args: { a: 1 } });
    out.say("tool_completed", { toolCallId: "c1", status: "ok", result: 2, durationMs: 12.4 });
    out.say("agent_failed", { error: { code: "model_error", message: "gone" } });
    expect(out.lines()).toEqual([
      "03:04:05.678 00000001     #1       @1 agent_started      demo  hello  (run-00000001)",
      '03:04:05.678 00000001     #2       @2 tool_executing     calculator  {"a":1}',
      "03:04:05.678 00000001     #3       @3 tool_completed     calculator  ok  12 ms  2",
      "03:04:05.678 00000001     #4       @4 agent_failed       model_error  gone",
    ]);
  });

  it("joins the deltas of a message into one running text, and does not say the whole message again", () => {
    const out = printed();
    out.say("agent_delta", { messageId: "m1", channel: "text", text: "Hel" });
    out.say("agent_delta", { messageId: "m1", channel: "text", text: "lo\nyou" });
    out.say("agent_message", { messageId: "m1", text: "Hello\nyou" });
    out.say("agent_message", { messageId: "m2", text: "whole" });
    expect(out.lines()).toEqual([
      "03:04:05.678 00000001     #1       @1 text               Hello",
      `${" ".repeat(57)}you`,
      "03:04:05.678 00000001     #4       @4 agent_message      whole",
    ]);
  });

  it("does not repeat an output that was streamed", () => {
    const out = printed();
    out.say("agent_delta", { messageId: "m1", channel: "text", text: "Hel" });
    out.say("agent_delta", { messageId: "m1", channel: "text", text: "lo" });
    out.say("agent_completed", { output: "Hello" });
    out.say("agent_completed", { output: "something else" }, "run-00000002");
    expect(out.lines().map((line) => line.slice(38))).toEqual([
      "text               Hello",
      "agent_completed",
      "agent_completed    something else",
    ]);
  });

  it("begins a new line where two runs talk at once", () => {
    const out = printed();
    out.say("agent_delta", { messageId: "m1", channel: "text", text: "one" }, "run-aaaaaaaa");
    out.say("agent_delta", { messageId: "m1", channel: "text", text: "two" }, "run-bbbbbbbb");
    out.say("agent_delta", { messageId: "m1", channel: "text", text: "three" }, "run-aaaaaaaa");
    expect(out.lines().map((line) => line.slice(13, 21) + line.slice(57))).toEqual([
      "aaaaaaaaone",
      "bbbbbbbbtwo",
      "aaaaaaaathree",
    ]);
  });

  it("cuts a line to the terminal, and only there", () => {
    const narrow = printed(80);
    narrow.say("agent_thinking", { thought: "x".repeat(200) });
    expect(narrow.lines()[0]).toHaveLength(80);
    const pipe = printed();
    pipe.say("agent_thinking", { thought: "x".repeat(200) });
    expect(pipe.lines()[0]).toHaveLength(57 + 200);
  });

  it("lets no escape sequence of a payload reach the terminal", () => {
    const out = printed();
    out.say("agent_thinking", { thought: "\u001b[2J\u009b31mred\u0007\r" });
    out.say("agent_delta", { messageId: "m", channel: "text", text: "\u001b]0;title\u0007" });
    expect(out.lines().join("")).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });

  it("marks what the server wrote in place of the runner", () => {
    let text = "";
    const printer = eventPrinter({ write: (part) => (text += part), paint: plain, columns: () => undefined });
    const event = {
      id: "e",
      type: "agent_thinking",
      runId: "r",
      seq: 1,
      offset: 1,
      time: "2026-01-02T03:04:05.678Z",
      data: {},
      repaired: true,
    };
    printer.print(event as unknown as StreamEvent);
    expect(text).toContain("(repaired)");
  });
});
