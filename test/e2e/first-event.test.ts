/** How long a page that is loaded in the middle of a run shows nothing of it. It measures: it runs alone. */
import { describe, expect, it } from "vitest";
import { BuiltServer } from "../support/built-server.ts";
import { launchChromium } from "../support/chromium.ts";

/** The goal is a second on a quiet machine; what is asserted leaves room for a busy one. */
const firstEventLimitMs = 3_000;

describe("the page", () => {
  it("shows the first event of a run soon after it is loaded", async () => {
    // The run has not ended by then.
    const env = { RUNCAST_DEMO_SPEED: "0.5" };
    await using server = await BuiltServer.start({ args: ["--demo"], dev: true, env });
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      await page.goto(`${server.url}/#user=bob&thread=t-first`);
      await page.locator('[data-testid="connection-state"][data-state="live"]').waitFor();
      await page.getByTestId("composer").fill("What is 15% of 2,480, and what time is it in Tokyo?");
      await page.getByTestId("composer").press("Enter");
      const first = page.locator('[data-testid="step"][data-type="agent_started"]');
      await page.locator('[data-testid="step"][data-type="tool_executing"]').first().waitFor();
      const startMs = performance.now();
      await page.reload({ waitUntil: "commit" });
      await first.waitFor();
      const firstEventMs = performance.now() - startMs;
      expect(await page.getByTestId("stop").count(), "the run should still go on").toBe(1);
      process.stdout.write(`page load → first event: ${firstEventMs.toFixed(0)} ms\n`);
      expect(firstEventMs).toBeLessThan(firstEventLimitMs);
    } finally {
      await browser.close();
    }
  });
});
