import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { StreamEvent } from "../../protocol/event.ts";
import type { RunView } from "../../protocol/run-view.ts";
import { connectPublisher } from "../../src/publisher/index.ts";
import { BuiltServer } from "../support/built-server.ts";
import { launchChromium } from "../support/chromium.ts";
import { call, readAll } from "../support/http-reader.ts";

/** Parallel tools, thinking, an answer in many deltas. */
const question = "What is 15% of 2,480, and what time is it in Tokyo and New York?";
const coreTypes = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"];
const patienceMs = 30_000;
const viewport = { width: 1_360, height: 850 };

/** A folder for pictures of what the tests saw; none are taken without. */
const pictures = process.env["PICTURES"];
let server: BuiltServer;
let browser: Browser;

/** A server whose demo agent plays at this speed: 1 is a model's. */
const serveAt = (speed: number): void => {
  beforeAll(async () => {
    server = await BuiltServer.start({ args: ["--demo"], dev: true, env: { RUNCAST_DEMO_SPEED: String(speed) } });
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
};
beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser?.close());

/** What went wrong in any page of a test: the console, uncaught errors, requests to anybody but the server. */
let complaints: string[];
let context: BrowserContext;
/** While the server is down, a page may say that it cannot reach it. */
let serverIsDown = false;

beforeEach(async () => {
  complaints = [];
  context = await browser.newContext({ viewport });
  context.setDefaultTimeout(patienceMs);
  context.on("page", (page) => {
    page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" && !serverIsDown) complaints.push(`console: ${message.text()}`);
    });
    page.on("websocket", (socket) => noteForeign(socket.url()));
  });
  context.on("request", (request) => noteForeign(request.url()));
});
afterEach(async () => {
  await context.close();
  if (complaints.length > 0) throw new Error(`the page complains:\n${complaints.join("\n")}`);
});

function noteForeign(url: string): void {
  const { host, protocol } = new URL(url);
  if (protocol !== "data:" && protocol !== "blob:" && host !== new URL(server.url).host)
    complaints.push(`a request to ${url}`);
}

async function openAs(user: string, thread: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${server.url}/#user=${user}&thread=${thread}`);
  await isLive(page);
  return page;
}

const isLive = (page: Page) => page.locator('[data-testid="connection-state"][data-state="live"]').waitFor();

async function ask(page: Page, text = question): Promise<void> {
  await page.getByTestId("composer").fill(text);
  await page.getByTestId("composer").press("Enter");
}

const step = (page: Page, type: string) => page.locator(`[data-testid="step"][data-type="${type}"]`);
const ended = (page: Page, state: string) => page.locator(`[data-testid^="run-"][data-state="${state}"]`).waitFor();
async function picture(page: Page, name: string): Promise<void> {
  if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`) });
}

/** In the middle of the answer: its first words stand there, and the run goes on. */
async function isAnswering(page: Page): Promise<void> {
  await expect.poll(() => page.getByTestId("answer").allInnerTexts(), { timeout: patienceMs }).not.toEqual([]);
  expect(await page.getByTestId("stop").count(), "the run should still go on").toBe(1);
}

/** In the middle of the run: a tool is called, and the answer is still to come. */
async function isAtWork(page: Page): Promise<void> {
  await step(page, "tool_executing").first().waitFor();
  expect(await page.getByTestId("stop").count(), "the run should still go on").toBe(1);
}

interface Shown {
  readonly transcript: readonly string[];
  readonly steps: readonly (string | null)[];
  readonly tools: readonly (readonly (string | null)[])[];
}

/** What a reader sees of the conversation. */
async function shown(page: Page): Promise<Shown> {
  return {
    transcript: (await page.locator('[role="log"]').innerText()).split("\n"),
    steps: await page.getByTestId("step").evaluateAll((all) => all.map((one) => one.getAttribute("data-type"))),
    tools: await page
      .getByTestId("tool-card")
      .evaluateAll((all) => all.map((one) => [one.getAttribute("data-tool"), one.getAttribute("data-status")])),
  };
}

/** Until both pages show the same; then what that is. */
async function equal(one: Page, other: Page): Promise<Shown> {
  await expect.poll(async () => isSame(await shown(one), await shown(other)), { timeout: patienceMs }).toBe(true);
  return shown(one);
}

const isSame = (one: Shown, other: Shown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** The one run of a user and its events, as the log has them. */
async function logOf(user: string): Promise<{ events: StreamEvent[]; run: RunView }> {
  const { body } = await call(server.url, "GET /dev/users");
  const as = body.users.find(({ userId }: { userId: string }) => userId === user).token;
  const { runs } = (await call(server.url, "GET /v1/runs?limit=1", { as })).body;
  const [{ runId }] = runs;
  const run = (await call(server.url, `GET /v1/runs/${runId}`, { as })).body;
  return { run, events: await readAll(server.url, `/v1/runs/${runId}/events`, as, 1_000) };
}

/** A run of the user's in that thread, whose agent is this process and not the server's. */
function remoteRun(userId: string, threadId: string) {
  const publisher = connectPublisher({ url: server.url, apiKey: server.banner("demo API key"), heartbeatMs: 200 });
  return publisher.startRun({ userId, threadId, agent: "elsewhere" });
}

const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => (signal.aborted ? resolve(true) : signal.addEventListener("abort", resolve)));

describe("the page", () => {
  // Fast enough for a test, slow enough to be cut in the middle.
  serveAt(2);

  it("lets a person choose a user, ask, and watch the five steps to the answer", async () => {
    const page = await context.newPage();
    const response = await page.goto(server.url);
    const policy = response?.headers()["content-security-policy"] ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe-eval|https?:|\*/);
    await page.getByTestId("user-alice").click();
    await isLive(page);
    await picture(page, "1-welcome");
    await ask(page);
    await step(page, "tool_executing").first().waitFor();
    await picture(page, "2-tools");
    await ended(page, "completed");
    await picture(page, "3-completed");

    const { steps, tools, transcript } = await shown(page);
    for (const type of coreTypes) expect(steps).toContain(type);
    expect(steps.filter((type) => type === "agent_completed")).toHaveLength(1);
    const first = coreTypes.map((type) => steps.indexOf(type));
    expect(first).toEqual(first.toSorted((a, b) => a - b));
    expect(tools).toEqual([
      ["calculator", "ok"],
      ["clock", "ok"],
      ["clock", "ok"],
    ]);
    expect(transcript[0]).toBe(question);
    await page.getByTestId("tool-card").first().locator("summary").click();
    await expect.poll(() => page.locator(".tool-body").first().innerText()).toContain("15% of 2,480");
    expect(await page.locator(".tool-body").first().innerText()).toContain("372");
    expect(await page.getByTestId("answer").innerText()).toContain("15% of 2,480 = 372");
    // What is in the log is what is on the page: the newest state is lit, the last offset is taken in.
    const { run, events } = await logOf("alice");
    expect(run.state).toBe("completed");
    expect(await page.getByTestId("offset").getAttribute("data-offset")).toBe(String(events.at(-1)?.offset));
    await expect.poll(() => page.locator("[data-lit]").allTextContents()).toEqual(["completed"]);
    expect(page.url()).not.toMatch(/eyJ/);
  });

  it("catches up after its connection was cut, and says what it missed", async () => {
    const stays = await openAs("carol", "t-cut");
    const cut = await openAs("carol", "t-cut");
    await ask(cut);
    await step(cut, "tool_executing").first().waitFor();
    // However short the cut is, and wherever the answer stands then, there is something to miss.
    const beside = await remoteRun("carol", "t-beside");
    let isCut = true;
    const talking = (async () => {
      while (isCut) await beside.thinking("on and on");
    })();
    await cut.getByTestId("cut").click();
    await cut.locator('[data-testid="connection-state"][data-state="reconnecting"]').waitFor();
    await picture(cut, "5-cut");
    await cut.getByTestId("cut-notice").filter({ hasText: "caught up" }).waitFor();
    isCut = false;
    await talking;
    await beside.completed();
    const notice = await cut.getByTestId("cut-notice").innerText();
    expect(Number(/missed (\d+) event/.exec(notice)?.[1])).toBeGreaterThan(0);
    await Promise.all([ended(stays, "completed"), ended(cut, "completed")]);
    await picture(cut, "6-caught-up");
    await equal(stays, cut);
    expect(await cut.getByTestId("gap").count()).toBe(0);
  });

  it("shows on every device that an agent elsewhere refuses to stop, and that it may be asked again", async () => {
    const [page, phone] = [await openAs("alice", "t-refuse"), await openAs("alice", "t-refuse")];
    const run = await remoteRun("alice", "t-refuse");
    await run.thinking("This must be finished first.");
    await step(phone, "agent_thinking").waitFor();
    await page.getByTestId("stop").click();
    for (const device of [page, phone])
      await expect.poll(() => device.getByTestId("stop").innerText()).toBe("Cancelling…");
    await aborted(run.signal);
    await run.emit({ type: "cancel_refused", data: { reason: "the payment is under way" } });
    for (const device of [page, phone]) {
      await step(device, "cancel_refused").filter({ hasText: "Stop refused: the payment is under way" }).waitFor();
      await expect.poll(() => device.getByTestId("stop").isEnabled()).toBe(true);
    }
    await picture(phone, "10-refused");
    await phone.getByTestId("stop").click();
    for (const device of [page, phone]) await expect.poll(() => device.getByTestId("stop").isDisabled()).toBe(true);
    await run.cancelled("now it may");
    await Promise.all([ended(page, "cancelled"), ended(phone, "cancelled")]);
    const { steps } = await equal(page, phone);
    const { events } = await logOf("alice");
    expect(events.filter(({ type }) => type === "cancel_requested")).toHaveLength(2);
    expect(steps.at(-1)).toBe("agent_cancelled");
  });

  it("shows a run whose runner is silent as stalled, in its talk and in the list", async () => {
    const page = await openAs("carol", "t-stalled");
    const body = { userId: "carol", runId: "carol-stalled", threadId: "t-stalled", agent: "elsewhere", leaseMs: 1_000 };
    const headers = { authorization: `Bearer ${server.banner("demo API key")}` };
    await fetch(`${server.url}/v1/runs`, { method: "POST", headers, body: JSON.stringify(body) });
    await page.getByTestId("stalled").waitFor();
    const item = page.getByTestId("run-item-carol-stalled");
    expect(await item.innerText()).toContain("stalled");
    const { width, height } = (await item.locator(".state-dot").boundingBox()) ?? {};
    expect([width, height]).toEqual([8, 8]);
    await picture(page, "11-stalled");
  });

  it("shows on every device what was decided on one", async () => {
    const [page, phone] = [await openAs("carol", "t-approve"), await openAs("carol", "t-approve")];
    const question = "Pay 40 euros?";
    const run = await remoteRun("carol", "t-approve");
    const approvals = [{ approvalId: `${run.runId}-pay`, prompt: question, expiresAt: "2100-01-31T09:00:00.000Z" }];
    await run.suspended({ reason: "approval", approvals });
    for (const device of [page, phone]) await device.getByTestId("approval").filter({ hasText: question }).waitFor();
    expect(await page.getByTestId("approval").innerText()).toMatch(
      /Until 31 Jan 2100, .*; without an answer it is denied\./,
    );
    await picture(page, "12-approval");
    await phone.getByTestId("approve").click();
    for (const device of [page, phone]) {
      await step(device, "approval_resolved").filter({ hasText: "Approved by user" }).waitFor();
      await expect.poll(() => device.getByTestId("approval").count()).toBe(0);
    }
    await run.resumed({ approved: true });
    await run.completed("paid");
    await Promise.all([ended(page, "completed"), ended(phone, "completed")]);
    await equal(page, phone);
  });
});

// So slow that who reloads, stops the run or kills the server never comes too late to its middle.
describe("the page of a slow agent", () => {
  serveAt(0.5);

  it("shows after a reload in the middle what a tab shows that never left", async () => {
    const stays = await openAs("bob", "t-reload");
    const reloads = await openAs("bob", "t-reload");
    await ask(reloads);
    await isAnswering(reloads);
    await reloads.reload({ waitUntil: "commit" });
    await step(reloads, "agent_started").waitFor();
    await picture(reloads, "4-reloaded");
    await Promise.all([ended(stays, "completed"), ended(reloads, "completed")]);
    const { transcript } = await equal(stays, reloads);
    expect(transcript.join("\n")).toContain("15% of 2,480 = 372");
    // A third reload finds it all in the log.
    await reloads.reload();
    await ended(reloads, "completed");
    expect(await equal(stays, reloads)).toEqual(await shown(stays));
  });

  it("stops a run by its button, on every tab", async () => {
    const stays = await openAs("bob", "t-stop");
    const page = await openAs("bob", "t-stop");
    await ask(page);
    await isAtWork(page);
    await page.getByTestId("stop").click();
    await Promise.all([ended(page, "cancelled"), ended(stays, "cancelled")]);
    await picture(page, "7-cancelled");
    const { steps } = await equal(stays, page);
    expect(steps.at(-1)).toBe("agent_cancelled");
    expect(steps).not.toContain("agent_completed");
    await expect.poll(() => page.getByTestId("stop").count()).toBe(0);
    const { events } = await logOf("bob");
    expect(events.map(({ type }) => type)).toContain("cancel_requested");
    // The agent itself heard it and stopped: at its deadline the server would say who had asked.
    expect(events.at(-1)?.type).toBe("agent_cancelled");
    expect(events.at(-1)?.data).not.toHaveProperty("by");
  });

  it("comes back by itself after the server was killed in mid-run: nothing is missed, and the run ends visibly", async () => {
    const page = await openAs("carol", "t-kill");
    await ask(page);
    await isAtWork(page);
    serverIsDown = true;
    await server.kill9();
    await page.locator('[data-testid="connection-state"]:not([data-state="live"])').waitFor();
    const before = await shown(page);
    await picture(page, "8-killed");
    await server.restart();
    await isLive(page);
    serverIsDown = false;
    await ended(page, "failed");
    await picture(page, "9-restarted");
    const fresh = await openAs("carol", "t-kill");
    await ended(fresh, "failed");
    const after = await equal(page, fresh);
    // What stood there stands there still; what the log had beyond it, and the end of what was open, has come since.
    const begun = ({ steps }: Shown) => steps.filter((type) => type !== "tool_completed");
    expect(begun(after).slice(0, begun(before).length)).toEqual(begun(before));
    expect(after.steps.at(-1)).toBe("agent_failed");
    expect(after.transcript.join("\n")).toContain("restarted");
    // And it goes on: the next question is answered on the page that has seen it all.
    await ask(page, "Hello!");
    await ended(page, "completed");
    await ended(fresh, "completed");
    await equal(page, fresh);
  });
});
