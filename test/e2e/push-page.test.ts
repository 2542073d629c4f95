import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { newVapidKeys } from "../../src/fallback/vapid.ts";
import { BuiltServer } from "../support/built-server.ts";
import { launchChromium } from "../support/chromium.ts";
import { eventually } from "../support/eventually.ts";
import { call } from "../support/http-reader.ts";

/** A folder for pictures of what the test saw; none are taken without. */
const pictures = process.env["PICTURES"];
const patienceMs = 20_000;
const slowMs = 60_000;
const keys = newVapidKeys();
let server: BuiltServer;
let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  server = await BuiltServer.start({
    dev: true,
    env: {
      RUNCAST_VAPID_SUBJECT: "mailto:operator@example.com",
      RUNCAST_VAPID_PUBLIC_KEY: keys.publicKey,
      RUNCAST_VAPID_PRIVATE_KEY: keys.privateKey,
    },
  });
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1_360, height: 850 } });
  context.setDefaultTimeout(patienceMs);
  await context.grantPermissions(["notifications"], { origin: server.url });
  return async () => context.close();
});

async function open(user: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${server.url}/#user=${user}&thread=t-1`);
  await page.locator('[data-testid="connection-state"][data-state="live"]').waitFor();
  return page;
}

/** There is no push service behind a browser without a window: what it would give stands in for it. */
const withPushService = (page: Page): Promise<unknown> =>
  page.addInitScript((publicKey) => {
    let current: PushSubscription | null = null;
    const bytes = (text: string) =>
      Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    PushManager.prototype.getSubscription = async () => current;
    PushManager.prototype.subscribe = async (options = {}) => {
      if (options.applicationServerKey !== publicKey || options.userVisibleOnly !== true)
        throw new Error("bad options");
      const made = {
        endpoint: "https://push.example/send/browser",
        expirationTime: null,
        keys: { p256dh: publicKey, auth: "tBHItJI5svbpez7KI4CCXg" },
      };
      current = {
        endpoint: made.endpoint,
        options: { applicationServerKey: bytes(publicKey).buffer },
        toJSON: () => made,
        unsubscribe: async () => {
          current = null;
          return true;
        },
      } as unknown as PushSubscription;
      return current;
    };
  }, keys.publicKey);

const subscriptionsOf = async (userId: string): Promise<number> =>
  (await call(server.url, "PUT /v1/contacts", { as: server.banner("demo API key"), body: { userId } })).body
    .subscriptions;

describe("Web Push on the page", () => {
  it("is switched on and off by its user, and known to the server then", { timeout: slowMs }, async () => {
    const page = await context.newPage();
    await withPushService(page);
    await page.goto(`${server.url}/#user=alice&thread=t-1`);
    const control = page.getByTestId("push-switch");
    await control.waitFor();
    expect(await control.getAttribute("aria-checked")).toBe("false");
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, "push-off.png") });
    await control.click();
    await page.locator('[data-testid="push-switch"][data-state="on"]').waitFor();
    expect(await subscriptionsOf("alice")).toBe(1);
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, "push-on.png") });
    await control.click();
    await page.locator('[data-testid="push-switch"][data-state="off"]').waitFor();
    expect(await subscriptionsOf("alice")).toBe(0);
    // Who logs out is not told here any more either.
    await control.click();
    await page.locator('[data-testid="push-switch"][data-state="on"]').waitFor();
    await page.getByTestId("logout").click();
    await eventually(async () => expect(await subscriptionsOf("alice")).toBe(0));
  });

  it("shows what is pushed, once for a notice that comes again, and leads to its run", {
    timeout: slowMs,
  }, async () => {
    const page = await open("alice");
    const session = await context.newCDPSession(page);
    const registered = new Promise<string>((resolve) => {
      session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations: [first] }) => {
        if (first !== undefined) resolve(first.registrationId);
      });
    });
    await session.send("ServiceWorker.enable");
    await page.evaluate(async () => {
      await navigator.serviceWorker.register("/sw.js");
      await navigator.serviceWorker.ready;
    });
    const registrationId = await registered;
    const push = (data: object | string) =>
      session.send("ServiceWorker.deliverPushMessage", {
        origin: server.url,
        registrationId,
        data: typeof data === "string" ? data : JSON.stringify(data),
      });
    const shown = () =>
      page.evaluate(async () => {
        const registration = await navigator.serviceWorker.ready;
        const all = await registration.getNotifications();
        return all.map(({ title, body, tag, data }) => ({ title, body, tag, data: data as unknown }));
      });
    const url = `${server.url}/#thread=t-2`;
    const notice = { id: "e-1", tag: "e-1", title: "Your agent has finished", text: "Its answer is there.", url };
    await push(notice);
    await push(notice);
    const expected = { title: notice.title, body: notice.text, tag: "e-1", data: url };
    await eventually(async () => expect(await shown()).toEqual([expected]));
    await push("none of ours");
    await eventually(async () => expect((await shown()).map(({ title }) => title)).toContain("There is news for you"));

    const [worker] = context.serviceWorkers();
    await worker?.evaluate(async () => {
      const scope = globalThis as unknown as {
        registration: ServiceWorkerRegistration;
        dispatchEvent(event: Event): void;
      };
      const [notification] = await scope.registration.getNotifications({ tag: "e-1" });
      const made = globalThis as unknown as { NotificationEvent: new (type: string, init: object) => Event };
      scope.dispatchEvent(new made.NotificationEvent("notificationclick", { notification }));
    });
    await page.waitForURL(/thread=t-2/);
    // Who is logged in stays.
    expect(new URL(page.url()).hash).toContain("user=alice");
    await eventually(async () => expect((await shown()).map(({ tag }) => tag)).not.toContain("e-1"));
  });

  it("is not offered where the server has no key", { timeout: slowMs }, async () => {
    await using other = await BuiltServer.start({ dev: true });
    const page = await context.newPage();
    await page.goto(`${other.url}/#user=alice&thread=t-1`);
    await page.locator('[data-testid="connection-state"][data-state="live"]').waitFor();
    expect(await page.getByTestId("push-switch").count()).toBe(0);
  });
});
