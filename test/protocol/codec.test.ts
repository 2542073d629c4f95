import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkEvent, decodeClientFrame, decodePublish } from "../../protocol/codec.ts";
import { eventData } from "../../protocol/event.ts";
import { dutyAfter } from "../../protocol/close-codes.ts";
import { isRunId, isTenantId, isUserId, streamKey, streamOwner } from "../../protocol/ids.ts";
import { decodeServerFrame } from "../../protocol/server-frame.ts";

const whyFrame = (frame: unknown): string => {
  const decoded = decodeClientFrame(typeof frame === "string" ? frame : JSON.stringify(frame));
  return decoded.ok ? "ok" : `${decoded.issue.path}: ${decoded.issue.message}`;
};
const whyPublish = (body: unknown): string => {
  const decoded = decodePublish(JSON.stringify(body));
  return decoded.ok ? "ok" : `${decoded.issue.path}: ${decoded.issue.message}`;
};

describe("a client frame", () => {
  it.each([
    { type: "hello" },
    { type: "hello", cursor: { epoch: "e", offset: 0 }, device: "tab", token: "t", mergeDeltas: false },
    { type: "hello", from: "start", want: { threads: ["t1"], types: ["agent_delta"] } },
    { type: "ack", offset: 7 },
    { type: "auth", token: "t" },
    { type: "confirm" },
    { type: "command", ref: "1", name: "no_such_command", data: { a: 1 } },
    { type: "ping" },
  ])("is taken: %j", (frame) => {
    expect(whyFrame(frame)).toBe("ok");
  });

  it.each([
    [{ type: "hello", cursor: { epoch: "e", offset: -1 } }, "cursor.offset: must be at least 0"],
    [{ type: "hello", cursor: { epoch: "e", offset: "5" } }, "cursor.offset: must be a number"],
    [{ type: "hello", cursor: { epoch: "e", offset: 2 ** 53 } }, "cursor.offset: must be at most 9007199254740991"],
    ['{"type":"hello","cursor":{"epoch":"e","offset":1e400}}', "cursor.offset: must be a number"],
    [{ type: "hello", cursor: { offset: 1 } }, "cursor.epoch: is missing"],
    [{ type: "hello", from: "middle" }, "from: must be one of active, start, now"],
    [{ type: "hello", device: "d".repeat(65) }, "device: must be 1 to 64 characters without control characters"],
    [{ type: "ack" }, "offset: is missing"],
    [{ type: "ack", offset: 1, extra: true }, ": has a field that is not known: extra"],
    [{ type: "bye" }, 'type: must have a known "type"'],
    [[1], ": must be an object"],
    [null, ": must be an object"],
  ])("is refused, with the path and what would be right: %j", (frame, expected) => {
    expect(whyFrame(frame)).toBe(expected);
  });

  it("never costs more than 2 KB of answer, whatever comes in", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 70_000 }), fc.json()), (text) => {
        expect(whyFrame(text).length).toBeLessThan(2_000);
      }),
    );
    const wide = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`field${"x".repeat(15)}${index}`, 1]));
    expect(whyFrame({ type: "hello", ...wide }).length).toBeLessThan(2_000);
  });
});

describe("a publish", () => {
  it("keeps data as it was said, unknown fields included", () => {
    const data = { thought: "hm", senderId: "bob", deep: { list: [1, null] } };
    const decoded = decodePublish(JSON.stringify({ fence: 1, events: [{ type: "agent_thinking", data, key: "k" }] }));
    expect(decoded).toEqual({
      ok: true,
      value: { fence: 1, ifSeq: undefined, events: [{ type: "agent_thinking", data, key: "k" }] },
    });
  });

  it.each([
    [{ events: [{ type: "agent_thinking" }] }, "fence: is missing"],
    [{ fence: 1 }, "events: is missing"],
    [{ fence: 1, events: [] }, "events: must be at least 1 items"],
    [{ fence: 1, events: [{ type: "agent_thinking", data: [] }] }, "events[0].data: must be an object"],
    [
      {
        fence: 1,
        events: [{ type: "agent_thinking" }, { type: "tool_completed", data: { toolCallId: "c", status: "fine" } }],
      },
      "events[1].data.status: must be one of ok, error, denied, cancelled",
    ],
    [
      { fence: 1, events: [{ type: "tool_executing", data: { toolName: "t" } }] },
      "events[0].data.toolCallId: is missing",
    ],
    [
      { fence: 1, events: [{ type: "agent_thinking", payload: {} }] },
      "events[0]: has a field that is not known: payload",
    ],
  ])("is refused where it is wrong: %j", (body, expected) => {
    expect(whyPublish(body)).toBe(expected);
  });

  it("names the known types when a type is not one of them", () => {
    expect(whyPublish({ fence: 1, events: [{ type: "agent_thinks" }] })).toMatch(
      /^events\[0\]\.type: is not an event type; known are agent_started, .*x\.<name>$/,
    );
    expect(whyPublish({ fence: 1, events: [{ type: "x.mine", data: { any: "thing" } }] })).toBe("ok");
    expect(checkEvent({ type: "x." }).ok).toBe(false);
    expect(checkEvent({ type: "toString" }).ok).toBe(false);
  });
});

describe("a delta", () => {
  it("is taken or refused as its schema says, though most never see the schema", () => {
    const anything = fc.oneof(fc.string(), fc.constant("m".repeat(300)), fc.constant(undefined), fc.integer());
    const channel = fc.oneof(fc.constantFrom("text", "reasoning", "tool_args", "tool"), anything);
    fc.assert(
      fc.property(anything, channel, anything, (messageId, channelName, text) => {
        const data = { messageId, channel: channelName, text };
        expect(checkEvent({ type: "agent_delta", data }).ok).toBe(eventData.agent_delta.safeParse(data).success);
      }),
      { numRuns: 500 },
    );
  });
});

describe("ids", () => {
  it.each(["a", "A-Z.a_z:0-9", "r".repeat(128)])("takes %j for a run", (id) => expect(isRunId(id)).toBe(true));
  it.each(["", "a b", "é", "a/b", "r".repeat(129), 5, null])("refuses %j for a run", (id) =>
    expect(isRunId(id)).toBe(false),
  );
  it.each(["alice", "Ålice", "a b", "用户", "😀".repeat(256)])("takes %j for a user", (id) =>
    expect(isUserId(id)).toBe(true),
  );
  it.each(["", "a\n", "\u0000", "\u007f", "\ud800", "u".repeat(257), {}])("refuses %j for a user", (id) =>
    expect(isUserId(id)).toBe(false),
  );

  it("keeps any two owners apart, and gives each back", () => {
    const id = fc
      .string({ unit: "grapheme-composite", minLength: 1, maxLength: 8 })
      .filter((text) => isUserId(text) && isTenantId(text));
    fc.assert(
      fc.property(id, id, id, id, (t1, u1, t2, u2) => {
        const key = streamKey(t1 as never, u1 as never);
        expect(streamOwner(key)).toEqual({ tenantId: t1, userId: u1 });
        expect(key === streamKey(t2 as never, u2 as never)).toBe(t1 === t2 && u1 === u2);
      }),
    );
  });

  it("keeps a:b + c and a + b:c apart", () => {
    expect(streamKey("a:b" as never, "c" as never)).not.toBe(streamKey("a" as never, "b:c" as never));
  });
});

describe("a server frame", () => {
  it("of a type that is not known is no error", () => {
    expect(decodeServerFrame('{"type":"weather","sunny":true}')).toEqual({ ok: true, value: undefined });
  });

  it("with a field more than we know is taken", () => {
    expect(decodeServerFrame('{"type":"gap","from":1,"upto":2,"reason":"epoch","more":1}')).toMatchObject({ ok: true });
  });

  it.each([
    '{"type":"events","after":1,"events":[]}',
    '{"type":"events","after":1.5,"upto":2,"events":[]}',
    "[]",
    "{}",
    "no",
  ])("that delivery cannot rest on is refused: %s", (text) => expect(decodeServerFrame(text).ok).toBe(false));
});

describe("a close code", () => {
  it.each([
    [1012, "reconnect"],
    [1013, "reconnect"],
    [1006, "reconnect"],
    [1011, "reconnect"],
    [4408, "reconnect"],
    [4429, "reconnect"],
    [4401, "refresh-token"],
    [1000, "stop"],
    [1007, "stop"],
    [4400, "stop"],
    [4403, "stop"],
    [4409, "stop"],
    [4426, "stop"],
  ] as const)("%i tells the client to %s", (code, duty) => expect(dutyAfter(code)).toBe(duty));
});
