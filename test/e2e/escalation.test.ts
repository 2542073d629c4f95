import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../../src/client/index.ts";
import { connectPublisher } from "../../src/publisher/index.ts";
import { answers, Endpoint, hangs } from "../fallback/support/endpoint.ts";
import { MailServer, refusal } from "../fallback/support/mail-server.ts";
import { apiKeys, BuiltServer, userToken } from "../support/built-server.ts";
import { eventually } from "../support/eventually.ts";
import { call } from "../support/http-reader.ts";

const ackWaitMs = 500;
const webhookSecret = "the-secret-of-the-webhooks-of-the-tests-01234";
/** A test starts the server twice, and beside others. */
const slowMs = 60_000;

let webhook: Endpoint;
let mail: MailServer;
let server: BuiltServer;

beforeEach(async () => {
  webhook = await Endpoint.open(answers(204));
  mail = await MailServer.open();
});
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  await webhook?.[Symbol.asyncDispose]();
  await mail?.[Symbol.asyncDispose]();
});

interface Ladder {
  readonly webhook?: boolean;
  readonly email?: boolean;
  readonly ackWaitMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

async function serve(ladder: Ladder): Promise<void> {
  server = await BuiltServer.start({
    env: {
      RUNCAST_ACK_WAIT_MS: String(ladder.ackWaitMs ?? ackWaitMs),
      RUNCAST_PUBLIC_URL: "https://app.example/",
      RUNCAST_EGRESS_ALLOW: `127.0.0.1:${webhook.port}`,
      ...(ladder.webhook && { RUNCAST_WEBHOOK_URL: webhook.url("/hook"), RUNCAST_WEBHOOK_SECRET: webhookSecret }),
      ...(ladder.email && { RUNCAST_SMTP_URL: mail.url(), RUNCAST_MAIL_FROM: "Runcast <runcast@example.com>" }),
      ...ladder.env,
    },
  });
}

async function finishRun(userId = "alice"): Promise<string> {
  const publisher = connectPublisher({ url: server.url, apiKey: apiKeys.publish });
  const run = await publisher.startRun({ userId, agent: "tester" });
  await run.completed({ output: "42" });
  return run.runId;
}

const putContact = (contact: object) =>
  call(server.url, "PUT /v1/contacts", { as: apiKeys.publish, body: { userId: "alice", ...contact } });
const outbox = async (query = "") =>
  (await call(server.url, `GET /v1/outbox${query}`, { as: apiKeys.admin })).body.rows as readonly {
    readonly state: string;
    readonly eventId: string;
    readonly inDoubt?: true;
    readonly acked?: true;
    readonly told?: { readonly channel: string };
  }[];
const metric = async (name: string): Promise<string | undefined> => {
  const { text } = await call(server.url, "GET /metrics");
  return new RegExp(`^${name.replaceAll(/[{}"]/g, String.raw`\$&`)} (\\S+)$`, "m").exec(text)?.[1];
};
const ledger = async () => (await call(server.url, "GET /v1/ledger?userId=alice", { as: apiKeys.admin })).body;
const told = async () => (await outbox("?state=told")).length;

describe("escalation on the built server", () => {
  it("tells a user who is away by the webhook, once, and not one who reads along", { timeout: slowMs }, async () => {
    await serve({ webhook: true, email: true });
    const bob = connect({ url: server.url, token: () => userToken("bob"), from: "start", device: "tab" });
    try {
      const runId = await finishRun();
      await finishRun("bob");
      await eventually(async () => expect(await told()).toBe(1));
      const [row] = await outbox();
      expect(webhook.hits.map(({ headers }) => headers["webhook-id"])).toEqual([row?.eventId]);
      expect(JSON.parse(webhook.last.body.toString())).toMatchObject({
        type: "agent_completed",
        userId: "alice",
        url: `https://app.example/#thread=${runId}`,
      });
      await eventually(async () => expect(await metric("runcast_escalations_acked_total")).toBe("1"));
      expect(await metric('runcast_notices_told_total{channel="webhook"}')).toBe("1");
      expect(await outbox("?userId=bob")).toEqual([]);
      expect(mail.mails).toEqual([]);
      // Told is not acknowledged: the event waits for its user.
      expect(await ledger()).toMatchObject({ accepted: 2, stored: 2, difference: 0 });
    } finally {
      bob.close();
    }
  });

  it("tells once across kill -9: before the wait is over, while the webhook is called, and after it", {
    timeout: slowMs,
  }, async () => {
    await serve({ webhook: true });
    await finishRun();
    await server.kill9();
    webhook.answer = hangs;
    await server.restart();
    // The call is made, and nobody hears what came of it.
    await eventually(() => expect(webhook.hits.length).toBe(1));
    expect((await outbox()).map(({ state }) => state)).toEqual(["trying"]);
    await server.kill9();
    webhook.answer = answers(204);
    await server.restart();
    await eventually(async () => expect(await told()).toBe(1));
    // The same id twice is one notice for its receiver.
    expect(new Set(webhook.hits.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(webhook.hits.length).toBe(2);
    await server.kill9();
    await server.restart();
    await finishRun("bob");
    await eventually(async () => expect(await told()).toBe(2));
    expect(webhook.hits.length).toBe(3);
  });

  it("does not send a mail again that was under way when the process was killed, and says so", {
    timeout: slowMs,
  }, async () => {
    let taken = 0;
    const held = await MailServer.open({
      // It has the whole mail, and its answer never comes.
      onData: (stream) => {
        stream.resume();
        stream.on("end", () => {
          taken += 1;
        });
      },
    });
    try {
      await serve({ email: true, env: { RUNCAST_SMTP_URL: held.url() } });
      await putContact({ email: "alice@example.com" });
      await finishRun();
      await eventually(() => expect(taken).toBe(1));
      await server.kill9();
      await server.restart();
      await eventually(async () => expect(await outbox()).toMatchObject([{ state: "told", inDoubt: true }]));
      expect(await metric("runcast_notices_in_doubt_total")).toBe("1");
      expect(taken).toBe(1);
    } finally {
      await held[Symbol.asyncDispose]();
    }
  });

  it("has one end for an event whose ack comes within milliseconds of the notice (FAULTS 50)", {
    timeout: slowMs,
  }, async () => {
    await serve({ webhook: true, ackWaitMs: 300 });
    const offsets = [-25, -10, -5, -2, 0, 2, 5, 10, 25, 50];
    for (const [index, shiftMs] of offsets.entries()) {
      const userId = `user-${index}`;
      const client = connect({ url: server.url, token: () => userToken(userId), from: "start", device: "tab" });
      // Nothing is acknowledged before the loop asks for the next event.
      const events = client.events();
      await finishRun(userId);
      const atMs = performance.now();
      await events.next();
      await events.next();
      // No condition to wait for: the moment itself is what is tested.
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, 300 + shiftMs - (performance.now() - atMs))));
      void events.next();
      await eventually(async () => {
        const { body } = await call(server.url, `GET /v1/ledger?userId=${userId}`, { as: apiKeys.admin });
        expect(body).toMatchObject({ accepted: 2, acked: 2, stored: 0, difference: 0 });
        const rows = await outbox(`?userId=${userId}`);
        const hits = webhook.hits.filter(({ body: sent }) => JSON.parse(sent.toString()).userId === userId);
        // Gone with the ack and nobody called, or told once and noted so.
        expect([rows.map(({ state }) => state), hits.length]).toEqual(rows.length === 0 ? [[], 0] : [["told"], 1]);
      });
      client.close();
    }
  });

  it("keeps the event and its row, and alarms the operator, when all channels are down (FAULTS 48)", {
    timeout: slowMs,
  }, async () => {
    await mail[Symbol.asyncDispose]();
    mail = await MailServer.open({ onRcptTo: (_address, _session, answer) => answer(refusal(451, "not now")) });
    webhook.answer = answers(503);
    const operator = await Endpoint.open(answers(200));
    try {
      await serve({
        webhook: true,
        email: true,
        env: {
          RUNCAST_EGRESS_ALLOW: `127.0.0.1:${webhook.port},127.0.0.1:${operator.port}`,
          RUNCAST_ALERT_URL: `alertmanager+${operator.url()}`,
        },
      });
      await putContact({ email: "alice@example.com" });
      await finishRun();
      await eventually(async () => expect((await outbox()).map(({ state }) => state)).toEqual(["exhausted"]));
      await eventually(() =>
        expect(operator.hits.map(({ body }) => body.toString()).join("\n")).toContain("AllRungsDead"),
      );
      expect(await ledger()).toMatchObject({ accepted: 2, stored: 2, difference: 0 });
      await server.kill9();
      await server.restart();
      expect((await outbox()).map(({ state }) => state)).toEqual(["exhausted"]);
    } finally {
      await operator[Symbol.asyncDispose]();
    }
  });
});
