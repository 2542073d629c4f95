import { describe, expect, it } from "vitest";
import { maxChunkEvents, packChunk } from "../../src/log/chunk.ts";
import { event, time } from "../../src/testing/event-log/sample.ts";

const sized = (...sizes: readonly number[]) => sizes.map((size, at) => event(`${at}`, { data: "d".repeat(size) }));
const full = 32 * 1_024;

describe("a chunk", () => {
  it("takes events up to 32 Ki characters of data, the first whatever its size, and 32 of them", () => {
    expect(packChunk(sized(full - 1, 1, 1), 0).count).toBe(2);
    expect(packChunk(sized(full, 1), 0).count).toBe(1);
    expect(packChunk(sized(2 * full, 1), 0).count).toBe(1);
    expect(packChunk(sized(...Array.from({ length: 40 }, () => 1)), 0).count).toBe(maxChunkEvents);
    expect(packChunk(sized(1, 1, 1), 1).count).toBe(2);
  });

  it("says once what its events share, and nothing of what they do not say", () => {
    const alike = JSON.parse(packChunk(sized(1, 1, 1), 0).meta) as unknown[];
    expect(alike).toEqual([time, null, null, "id-", "0", "agent_thinking", 1, "1", 0, 1, "2", 0, 1]);
    const [first, ...others] = sized(1, 1);
    const apart = [first ?? event(""), ...others.map((each) => ({ ...each, threadId: "t" }))];
    const meta = JSON.parse(packChunk(apart, 0).meta) as unknown[];
    expect(meta).toEqual([time, null, null, "id-", "0", "agent_thinking", 1, "1", 0, 1, [time, "t", null, 0]]);
  });

  it("looks for what ids share among its own events only", () => {
    const own = Array.from({ length: maxChunkEvents }, (_, at) => event(`same ${at}`));
    const { meta } = packChunk([...own, event("another")], 0);
    expect((JSON.parse(meta) as unknown[])[3]).toBe("id-same ");
    const middle = packChunk([event("another"), ...own], 1);
    expect((JSON.parse(middle.meta) as unknown[])[3]).toBe("id-same ");
  });

  it("is not made of nothing", () => {
    expect(() => packChunk([], 0)).toThrow("no event to pack");
  });
});
