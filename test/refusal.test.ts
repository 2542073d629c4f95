import { describe, expect, it } from "vitest";
import type { ExpectedError } from "../src/errors.ts";
import * as errors from "../src/errors.ts";
import { bugRefusal, errorBody, maxErrorBytes, refusalOf } from "../src/refusal.ts";

type Case = readonly [ExpectedError, number, string, number, Record<string, unknown>?];

const cases: readonly Case[] = [
  [
    new errors.InvalidInput({ code: "invalid", path: "userId", message: "is missing" }),
    400,
    "invalid",
    4400,
    { path: "userId" },
  ],
  [
    new errors.InvalidInput({ code: "invalid", path: "x", message: "is no flag", known: ["batching"] }),
    400,
    "invalid",
    4400,
    { path: "x", known: ["batching"] },
  ],
  [
    new errors.InvalidInput({ code: "invalid_event", path: "events[0].type", message: "?" }),
    400,
    "invalid_event",
    4400,
    { path: "events[0].type" },
  ],
  [new errors.Unauthenticated({ message: "no" }), 401, "unauthenticated", 4401],
  [new errors.Forbidden({ message: "no" }), 403, "forbidden", 4403],
  [new errors.NotFound({ what: "run" }), 404, "not_found", 4403],
  [
    new errors.IllegalTransition({
      index: 1,
      state: "thinking",
      event: "agent_started",
      legal: ["tool_executing"],
      message: "no",
    }),
    409,
    "illegal_transition",
    4400,
    { index: 1, state: "thinking", event: "agent_started", legal: ["tool_executing"] },
  ],
  [new errors.SeqConflict({ seq: 4 }), 409, "seq_conflict", 4400, { seq: 4 }],
  [new errors.Fenced({ message: "old" }), 409, "fenced", 4403],
  [new errors.RunEnded({ state: "failed" }), 410, "run_ended", 4400, { state: "failed" }],
  [new errors.RunExists({ message: "other body" }), 409, "run_exists", 4400],
  [new errors.KeyConflict({ key: "k", seq: 2 }), 409, "key_conflict", 4400, { key: "k", seq: 2 }],
  [new errors.Contaminated({ path: "data.userId", message: "no" }), 422, "contaminated", 4400, { path: "data.userId" }],
  [
    new errors.AlreadyResolved({ resolution: { decision: "deny", by: "user" } }),
    409,
    "already_resolved",
    4400,
    { resolution: { decision: "deny", by: "user" } },
  ],
  [new errors.FlagsConflict({ version: 3, message: "read again" }), 409, "flags_conflict", 4400, { version: 3 }],
  [new errors.TooLarge({ maxBytes: 9 }), 413, "too_large", 1009, { maxBytes: 9 }],
  [
    new errors.TooMany({ message: "slow down", limit: "userFrames", retryAfterMs: 1 }),
    429,
    "too_many",
    4429,
    { limit: "userFrames", retryAfterMs: 1 },
  ],
  [new errors.NotAccepting({ retryAfterMs: 1 }), 503, "not_accepting", 1012],
  [new errors.LogUnavailable({ message: "disk", retryAfterMs: 1 }), 503, "log_unavailable", 1013],
  [new errors.LogFull({ message: "disk", retryAfterMs: 1 }), 503, "log_full", 1013],
];

describe("a refusal", () => {
  it.each(cases.map((each) => [each[0]._tag, each] as const))(
    "of %s",
    (_, [error, status, code, closeCode, details]) => {
      const refusal = refusalOf(error);
      expect([refusal.status, refusal.code, refusal.closeCode]).toEqual([status, code, closeCode]);
      expect(refusal.details).toEqual(details);
      const body = JSON.parse(errorBody(refusal));
      expect(body.error).toEqual({ code, message: refusal.message, ...(details !== undefined && { details }) });
    },
  );

  it("never tells what a log's failure was", () => {
    const error = new errors.LogUnavailable({ message: "canary", retryAfterMs: 1, cause: new Error("canary") });
    expect(errorBody(refusalOf(error))).not.toContain("canary");
  });

  it("tells a bug's id and nothing else", () => {
    expect(JSON.parse(errorBody(bugRefusal("abc"))).error).toMatchObject({
      code: "internal",
      details: { requestId: "abc" },
    });
  });

  it.each([
    ["ASCII", "x"],
    ["quotes", '"'],
    ["control characters", "\u0001"],
    ["emoji", "😀"],
    ["halves of characters", "\ud83d"],
  ])("stays under 2 KB whatever comes in: %s", (_, piece) => {
    const long = piece.repeat(100_000);
    const body = errorBody(refusalOf(new errors.InvalidInput({ code: "invalid", path: long, message: long })));
    expect(Buffer.byteLength(body)).toBeLessThanOrEqual(maxErrorBytes);
    expect(JSON.parse(body).error.code).toBe("invalid");
  });

  it("keeps the whole list of what is legal", () => {
    const legal = Array.from({ length: 30 }, (_, index) => `event_type_number_${index}`);
    const error = new errors.IllegalTransition({
      index: 0,
      state: "started",
      event: "agent_started",
      legal,
      message: "m".repeat(5_000),
    });
    expect(JSON.parse(errorBody(refusalOf(error))).error.details.legal).toEqual(legal);
  });
});
