import * as Effect from "effect/Effect";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asUserId } from "../../protocol/ids.ts";
import { StaticFiles } from "../../src/gateway/static-files.ts";
import { jwtAuthenticator } from "../../src/auth/jwt.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { makeRuntime } from "../../src/runtime/make-runtime.ts";
import type { RuntimeParts } from "../../src/runtime/runtime-parts.ts";
import type { House } from "../gateway/support/house.ts";
import { openHouse, secret, token } from "../gateway/support/house.ts";
import { launchChromium } from "../support/chromium.ts";

/** A folder for pictures of what the test saw; none are taken without. */
const pictures = process.env["PICTURES"];
const patienceMs = 20_000;
let house: House;
let parts: RuntimeParts;
let browser: Browser;

beforeAll(async () => {
  const authenticator = await Effect.runPromise(
    jwtAuthenticator({ key: { kind: "secret", secret }, clock: systemClock }),
  );
  parts = makeRuntime({
    log: memoryLog(),
    authenticate: (given) => Effect.runPromise(authenticator.authenticate(given)),
  });
  await parts.start();
  const page = StaticFiles.read(fileURLToPath(new URL("../../dist/console", import.meta.url)));
  if (page === undefined) throw new Error("dist/console is missing; build it: npm run build");
  const devUsers = async () => [{ userId: asUserId("alice"), name: "Alice", token: await token("alice") }];
  house = await openHouse({ gateway: { runtime: parts.service, console: page, devUsers } });
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await Effect.runPromise(parts.service.drain);
  await house?.close();
});

describe("the page", () => {
  it("says calmly that the log does not answer, also after a reload, and nothing once it does", async () => {
    const page = await browser.newPage({ viewport: { width: 1_360, height: 850 } });
    page.setDefaultTimeout(patienceMs);
    const live = page.locator('[data-testid="connection-state"][data-state="live"]');
    const trouble = page.getByTestId("trouble");
    await page.goto(`${house.url}/#user=alice`);
    await live.waitFor();
    expect(await trouble.innerText()).toBe("");
    for (let call = 0; call < 5; call += 1) parts.breakers.of("log").enter()?.failed();
    const words = trouble.getByText("The log does not answer: events are kept and follow.");
    await words.waitFor();
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, "log-breaker-open.png") });
    await page.reload();
    await live.waitFor();
    await words.waitFor();
    if (pictures !== undefined) {
      await page.setViewportSize({ width: 390, height: 760 });
      await page.screenshot({ path: join(pictures, "log-breaker-open-narrow.png") });
    }
    parts.breakers.of("log").reset();
    await expect.poll(() => trouble.innerText(), { timeout: patienceMs }).toBe("");
    await page.close();
  });
});
