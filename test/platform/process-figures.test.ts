import { describe, expect, it } from "vitest";
import { processFigures } from "../../src/platform/process-figures.ts";

/** Half of the time between two looks: who counts that in never comes below it. */
const soonSeconds = 0.01;

describe("the figures of the process", () => {
  it("say how late timers fire, without the time that they were set to", async () => {
    processFigures();
    await expect
      .poll(
        () => {
          const { p50, max } = processFigures().loopDelaySeconds;
          return max > 0 && p50 < soonSeconds;
        },
        { interval: 200, timeout: 15_000 },
      )
      .toBe(true);
  });
});
