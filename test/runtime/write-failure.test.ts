import { describe, expect, it } from "vitest";
import { Fenced, LogFull, LogUnavailable, RunEnded } from "../../src/errors.ts";
import { breakdownError, endOf } from "../../src/runtime/write-failure.ts";

const unavailable = new LogUnavailable({ message: "silence", retryAfterMs: 5 });
const full = new LogFull({ message: "no room", retryAfterMs: 5 });
const bug = new Error("a bug");

describe("a write that the log did not take", () => {
  it("ends the run as the log says, and as unknown when it says nothing", () => {
    expect(endOf({ kind: "run_ended", ended: "failed" })).toBe("failed");
    expect(endOf({ kind: "fenced", fence: 3 })).toBe("fenced");
    for (const cause of [{ kind: "seq_conflict", seq: 3 }, { kind: "no_run" }, unavailable, bug, undefined])
      expect(endOf(cause)).toBe("unknown");
  });

  it("is told to the publisher as what it is", () => {
    expect(breakdownError(unavailable)).toBe(unavailable);
    expect(breakdownError(full)).toBe(full);
    const fenced = breakdownError({ kind: "fenced", fence: 3 });
    expect(fenced).toBeInstanceOf(Fenced);
    expect(fenced.message).toBe("another runner has claimed this run");
    const ended = breakdownError({ kind: "run_ended", ended: "cancelled" });
    expect(ended).toBeInstanceOf(RunEnded);
    expect(ended).toMatchObject({ state: "cancelled" });
  });

  it("is to be repeated where nobody knows better, and keeps its cause", () => {
    for (const cause of [{ kind: "seq_conflict", seq: 3 }, bug, undefined]) {
      const error = breakdownError(cause);
      expect(error).toBeInstanceOf(LogUnavailable);
      expect(error).toMatchObject({ retryAfterMs: 1_000, cause });
      expect(error.message).toContain("repeat the call");
    }
  });
});
