import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { launchChromium } from "../support/chromium.ts";
import { Example } from "../support/example.ts";

const project = fileURLToPath(new URL("../../examples/react", import.meta.url));

describe("the React example", () => {
  it("compiles against the types that the package ships", () => {
    const { status, stdout } = spawnSync("tsc", ["-p", project], { encoding: "utf8" });
    expect(stdout).toBe("");
    expect(status).toBe(0);
  });

  it("sends what its user types, shows the run, and shows it again after a reload", async () => {
    await using example = await Example.start("react");
    await example.printed("open http://localhost:");
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      await page.goto(`http://localhost:${example.port}/`);
      await page.getByRole("status").getByText("live").waitFor();
      await page.getByRole("textbox").fill("slow is smooth");
      await page.getByRole("textbox").press("Enter");
      await page.getByText("SLOW IS SMOOTH").waitFor();
      await page.getByRole("heading", { name: "echo: thinking" }).waitFor();
      await page.reload();
      await page.getByText("SLOW IS SMOOTH").waitFor();
      await page.getByRole("button", { name: "Stop" }).click();
      await page.getByRole("heading", { name: "echo: cancelled" }).waitFor();
      expect(await page.getByRole("button").count()).toBe(0);
    } finally {
      await browser.close();
    }
  });
});
