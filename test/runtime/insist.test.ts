import { describe, expect, it } from "vitest";
import { Fenced, LogUnavailable } from "../../src/errors.ts";
import { insist } from "../../src/runtime/insist.ts";

const silent = (retryAfterMs = 40) => new LogUnavailable({ message: "silence", retryAfterMs });

/** A write that fails so often, and how often it was tried. */
function writing(failures: number, failure: unknown = silent()) {
  let tries = 0;
  return {
    write: async () => {
      tries += 1;
      if (tries <= failures) throw failure;
      return "written";
    },
    tries: () => tries,
  };
}

describe("a write that insists", () => {
  it("is repeated until its outcome is known", async () => {
    const { write, tries } = writing(2);
    expect(await insist(write)).toBe("written");
    expect(tries()).toBe(3);
  });

  it("gives up after three tries at once when nobody gives it time", async () => {
    const failure = silent();
    const { write, tries } = writing(9, failure);
    await expect(insist(write)).rejects.toBe(failure);
    expect(tries()).toBe(3);
  });

  it("takes a refusal for an answer", async () => {
    const fenced = new Fenced({ message: "another runner" });
    for (const refusal of [fenced, new Error("bug"), "text", null]) {
      const { write, tries } = writing(9, refusal);
      await expect(insist(write)).rejects.toBe(refusal);
      expect(tries()).toBe(1);
    }
  });

  it("waits between tries as long as the log wishes, once three came to nothing", async () => {
    const waits: number[] = [];
    const pause = async (ms: number) => void waits.push(ms);
    const { write, tries } = writing(5);
    expect(await insist(write, pause)).toBe("written");
    expect(tries()).toBe(6);
    expect(waits).toEqual([40, 40, 40]);
  });

  it("ends after thirty tries", async () => {
    const waits: number[] = [];
    const { write, tries } = writing(99, { _tag: "LogUnavailable" });
    await expect(insist(write, async (ms) => void waits.push(ms))).rejects.toEqual({ _tag: "LogUnavailable" });
    expect(tries()).toBe(30);
    expect(waits).toEqual(Array.from({ length: 27 }, () => 0));
  });
});
