import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { MailServer } from "../fallback/support/mail-server.ts";
import { Example } from "../support/example.ts";
import { PostgresServer } from "../support/postgres-server.ts";

const folder = fileURLToPath(new URL("../../examples/", import.meta.url));
const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => /\.tsx?$/.test(file));
const maxLines = 60;
/** An example, and a database server before it. */
const withServerMs = 60_000;

/** Events as the examples print them: a number, a type, the data. */
const typesOf = (lines: readonly string[]) => lines.flatMap((line) => /^\d+ ([a-z_]+) \{/.exec(line)?.slice(1) ?? []);

describe("the examples", () => {
  it.each(files)("%s is short, and can be copied: it imports the package, not the sources", (file) => {
    const text = readFileSync(folder + file, "utf8");
    expect(text.split("\n").length).toBeLessThanOrEqual(maxLines);
    expect(text).not.toMatch(/from "(?:\.\.\/|.*\/(?:src|protocol|machines|dist)\/)/);
  });

  it("hello: an agent answers what a client sends", async () => {
    const lines = await Example.run("hello");
    expect(typesOf(lines)).toEqual([
      "agent_started",
      "agent_thinking",
      "tool_executing",
      "tool_completed",
      "agent_completed",
    ]);
    expect(lines[0]).toContain('"input":{"text":"Hello!"}');
    expect(lines.at(-1)).toMatch(/Good (morning|day)!/);
  });

  it("resume-after-reload: a page that comes back sees every event once", async () => {
    expect(await Example.run("resume-after-reload")).toEqual([
      "the page goes away at offset 2; the run goes on",
      "seen by both pages together: 1 2 3 4 5",
    ]);
  });

  it("embed-in-http-server: the application keeps its routes, and its pages read the stream", async () => {
    const lines = await Example.run("embed-in-http-server");
    expect(lines[0]).toMatch(/^the application's own route: 200 \{"runId":"[0-9a-f-]+"\}$/);
    const frames = lines.filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice(6)));
    const events = frames.flatMap((frame) => frame.events ?? []);
    expect(events.map(({ seq, type }) => `${seq} ${type}`)).toEqual([
      "1 agent_started",
      "2 agent_progress",
      "3 agent_progress",
      "4 agent_progress",
      "5 agent_completed",
    ]);
  });

  it("from-old-names: old and new names say the same, and count what was handed over", async () => {
    expect(await Example.run("from-old-names")).toEqual(["before: 1 1 1 1 1 1 1 1 1", "after: 1 1", "nobody there: 0"]);
  });

  it("ai-sdk-agent: a tool loop of the AI SDK becomes a run", async () => {
    const lines = await Example.run("ai-sdk-agent");
    expect(lines[0]).toBe("outcome: completed");
    expect(typesOf(lines)).toEqual([
      "agent_started",
      "agent_thinking",
      "tool_proposed",
      "tool_executing",
      "tool_completed",
      "agent_thinking",
      "agent_delta",
      "agent_message",
      "agent_completed",
    ]);
    expect(lines.at(-1)).toContain('"output":"It rains in Oslo."');
  });

  it("any-language: a repeated call is one event, and nothing follows the end", async () => {
    const lines = await Example.run("any-language");
    expect(lines).toEqual([
      "published: { seq: 4, offset: 4, duplicates: 0 }",
      "published again: { seq: 4, offset: 4, duplicates: 1 }",
      expect.stringContaining('after the end: 410 {"error":{"code":"run_ended"'),
      'the run: completed "found" It carries the events of agent runs.',
    ]);
  });

  it("remote-runner: the user's Stop reaches an agent elsewhere", async () => {
    expect(await Example.run("remote-runner")).toEqual([
      "a short job: { state: 'completed', output: 'slept well' }",
      "a long job: { state: 'cancelled', reason: 'the user asked the run to stop' }",
      "the user sees: cancelled sleep error",
    ]);
  });

  it("test-your-agent: the examination finds what is wrong with the agent before, and nothing after", async () => {
    const lines = await Example.run("test-your-agent");
    expect(lines[0]).toBe("before: 2 kind(s) of mistake in 100 schedules");
    expect(lines.filter((line) => /^\d\. /.test(line)).map((line) => line.split(":")[0])).toEqual([
      "1. tool-outlives-run",
      "2. after-end",
    ]);
    expect(lines.at(-1)).toBe("after: ok: nothing wrong in 100 schedules");
  });

  it("webhook-receiver: tells a user once, and believes nobody who cannot sign", async () => {
    expect(await Example.run("webhook-receiver")).toEqual([
      "alice: Your report is ready. The agent writer has completed.",
      expect.stringMatching(/^\{ kind: 'told', by: '127\.0\.0\.1:\d+' \}$/),
      expect.stringMatching(/^again: \{ kind: 'told', by: '127\.0\.0\.1:\d+' \}$/),
      "forged: 401",
    ]);
  });

  it(
    "publish-in-a-transaction: what is rolled back is never seen, what is committed is",
    async () => {
      await using database = await PostgresServer.start();
      expect(await Example.run("publish-in-a-transaction", { DATABASE_URL: await database.database() })).toEqual([
        'x.order_paid {"orderId":"order 2"}',
        'x.receipt {"orderId":"order 2"}',
      ]);
    },
    withServerMs,
  );

  it("email-when-away: who is away gets one mail, and who reads along gets none", async () => {
    const mail = await MailServer.open();
    try {
      expect(await Example.run("email-when-away", { SMTP_URL: mail.url() })).toEqual(["bob has read it"]);
      expect(mail.mails.map(({ to }) => to)).toEqual([["alice@example.com"]]);
      expect(mail.mails[0]?.parsed.subject).toBe("Your agent has finished");
      expect(mail.mails[0]?.parsed.text).toMatch(/https:\/\/app\.example\.com\/runs\/[0-9a-f-]{36}/);
    } finally {
      await mail[Symbol.asyncDispose]();
    }
  });

  it("own-authenticator: each user finds their own runs, and a stranger nothing", async () => {
    expect(await Example.run("own-authenticator")).toEqual([
      "s-alice asks for Alice's run: 200",
      "s-bob asks for Alice's run: 404",
      "guessed asks for Alice's run: 401",
      "a stranger's socket: unauthenticated",
    ]);
  });
});
