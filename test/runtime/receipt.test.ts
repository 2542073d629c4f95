import { describe, expect, it } from "vitest";
import { Receipt } from "../../src/runtime/receipt.ts";

const answer = { seq: 2, offset: 2, duplicates: 0 };

describe("a receipt", () => {
  it("is made when somebody asks, once, and reads like a promise", async () => {
    let made = 0;
    const receipt = new Receipt(async () => {
      made += 1;
      return answer;
    });
    expect(made).toBe(0);
    expect(await receipt).toBe(answer);
    expect(await Promise.all([receipt, receipt])).toEqual([answer, answer]);
    expect(await receipt.then(({ seq }) => seq)).toBe(2);
    expect(await receipt.finally(() => {})).toBe(answer);
    expect(made).toBe(1);
  });

  it("refuses who asks, and nobody else", async () => {
    const receipt = Receipt.refused(new RangeError("no"));
    await expect(receipt).rejects.toThrow(RangeError);
    expect(await receipt.catch(() => "caught")).toBe("caught");
    // Unasked refusals end no process: vitest would fail on one.
    Receipt.refused(new Error("nobody asks"));
    await new Promise((resolve) => setImmediate(resolve));
  });
});
