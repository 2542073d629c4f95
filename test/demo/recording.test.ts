import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChatRecording, piecesOf, recordedLines } from "../../src/demo/recording.ts";

describe("recording", () => {
  it("cuts any text into pieces that are the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(piecesOf(text).join("")).toBe(text);
      }),
    );
  });

  it("keeps the recorded ids, end and usage, and exchanges the words", () => {
    const lines = new ChatRecording("openai-text").withText("Forty-two it is.");
    const recorded = recordedLines("openai-text");
    const content = lines.map((line) => JSON.parse(line).choices[0]?.delta.content ?? "").join("");
    expect(content).toBe("Forty-two it is.");
    expect(lines.slice(-2)).toEqual(recorded.slice(-2));
    expect(new Set(lines.map((line) => JSON.parse(line).id))).toEqual(new Set([JSON.parse(recorded[0] ?? "").id]));
  });

  it("says several calls at once, each with its own id and whole arguments", () => {
    const calls = [
      { toolName: "calculator", args: { expression: '6 * "7" {}' } },
      { toolName: "clock", args: { zone: "Asia/Tokyo" } },
    ];
    const said = new Map<number, { id: string; name: string; args: string }>();
    for (const line of new ChatRecording("deepseek-tool-call").withCalls("Let me see.", calls)) {
      for (const call of JSON.parse(line).choices[0]?.delta.tool_calls ?? []) {
        const known = said.get(call.index) ?? { id: call.id, name: call.function.name, args: "" };
        said.set(call.index, { ...known, args: known.args + call.function.arguments });
      }
    }
    expect([...said.values()].map(({ name, args }) => ({ toolName: name, args: JSON.parse(args) }))).toEqual(calls);
    expect(new Set([...said.values()].map(({ id }) => id)).size).toBe(2);
  });
});
