import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import { afterAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { outletsOf } from "../../src/fallback/from-config.ts";
import { newVapidKeys } from "../../src/fallback/vapid.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { silentJournal } from "../../src/telemetry/journal.ts";
import { answers, Endpoint } from "./support/endpoint.ts";
import { MailServer } from "./support/mail-server.ts";
import { AddressBook, never, notTaken, noticeOf, tell } from "./support/notices.ts";
import { PushService } from "./support/push-service.ts";

type Env = Readonly<Record<string, string>>;
const directory = mkdtempSync(join(tmpdir(), "runcast-channels-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const channelsOf = async (env: Env) => (await Effect.runPromise(loadConfig({ env, directory }))).channels;
const outlets = async (env: Env) => Effect.runPromise(outletsOf(await channelsOf(env), systemClock, silentJournal));
const refused = async (env: Env): Promise<string> => {
  const result = await Effect.runPromise(Effect.result(loadConfig({ env, directory })));
  if (result._tag === "Success") throw new Error("it was accepted");
  return `${result.failure.setting} ${result.failure.message}`;
};

const { publicKey, privateKey } = newVapidKeys();
const vapid = {
  RUNCAST_VAPID_SUBJECT: "mailto:ops@example.com",
  RUNCAST_VAPID_PUBLIC_KEY: publicKey,
  RUNCAST_VAPID_PRIVATE_KEY: privateKey,
};
const secret = "a-secret-of-the-webhook-0123456789";
const everything = {
  ...vapid,
  RUNCAST_WEBHOOK_URL: "https://hooks.example.com/runcast",
  RUNCAST_WEBHOOK_SECRET: `${secret},b${secret}`,
  RUNCAST_SMTP_URL: "smtps://ops:secret@mail.example.com",
  RUNCAST_MAIL_FROM: "Runcast <runcast@example.com>",
  RUNCAST_SMS_URL: "https://sms.example.com/v1",
  RUNCAST_SMS_TOKEN: "a-token",
  RUNCAST_SMS_FROM: "Runcast",
  RUNCAST_ALERT_URL:
    "alertmanager+https://ops:a,b@alerts.example.com,slack+https://hooks.slack.com/services/T/B/x, slack+https://hooks.slack.com/services/T/B/y",
  RUNCAST_EGRESS_ALLOW: "10.0.0.0/8,alerts.example.com:9093",
  RUNCAST_PUSH_ALLOW: "push.internal",
};

describe("the settings of the channels", () => {
  it("make no channel where nothing is set", async () => {
    expect(await outlets({})).toEqual({ channels: [], alertSinks: [] });
  });

  it("make what is set, in the order of the rungs", async () => {
    const { channels, alertSinks } = await outlets(everything);
    expect(channels.map(({ name, rung }) => `${rung} ${name}`)).toEqual([
      "4 web-push",
      "4 webhook",
      "5 email",
      "5 sms",
    ]);
    expect(alertSinks.map(({ name }) => name)).toEqual(["alertmanager", "slack", "slack-2"]);
  });

  it("are read as they stand", async () => {
    expect(await channelsOf(everything)).toMatchObject({
      egressAllow: "10.0.0.0/8,alerts.example.com:9093",
      pushAllow: "push.internal",
      webPush: { subject: "mailto:ops@example.com", publicKey, privateKey },
      webhook: { url: "https://hooks.example.com/runcast", secrets: [secret, `b${secret}`] },
      email: { url: "smtps://ops:secret@mail.example.com", from: "Runcast <runcast@example.com>" },
      sms: { url: "https://sms.example.com/v1", token: "a-token", from: "Runcast" },
      alerts: [
        { shape: "alertmanager", url: "https://ops:a,b@alerts.example.com" },
        { shape: "slack", url: "https://hooks.slack.com/services/T/B/x" },
        { shape: "slack", url: "https://hooks.slack.com/services/T/B/y" },
      ],
    });
  });

  it("need no sender of an SMS where its body has no place for one", async () => {
    const body = '{"to":"{to}","text":"{text}"}';
    const { sms } = await channelsOf({ RUNCAST_SMS_URL: "https://sms.example.com", RUNCAST_SMS_BODY: body });
    expect(sms).toEqual({ url: "https://sms.example.com", token: undefined, from: undefined, body });
  });

  it.each<readonly [Env, string]>([
    [
      { RUNCAST_VAPID_PUBLIC_KEY: publicKey },
      "RUNCAST_VAPID_PUBLIC_KEY is set, and RUNCAST_VAPID_SUBJECT and RUNCAST_VAPID_PRIVATE_KEY are not: they belong together",
    ],
    [{ RUNCAST_WEBHOOK_SECRET: secret }, "RUNCAST_WEBHOOK_SECRET is set, and RUNCAST_WEBHOOK_URL is not"],
    [{ RUNCAST_WEBHOOK_URL: "https://a.example" }, "RUNCAST_WEBHOOK_URL is set, and RUNCAST_WEBHOOK_SECRET is not"],
    [{ RUNCAST_SMTP_URL: "smtp://a.example" }, "RUNCAST_SMTP_URL is set, and RUNCAST_MAIL_FROM is not"],
    [{ RUNCAST_MAIL_FROM: "a@b.example" }, "RUNCAST_MAIL_FROM is set, and RUNCAST_SMTP_URL is not"],
    [{ RUNCAST_SMS_URL: "https://a.example" }, "RUNCAST_SMS_URL is set, and RUNCAST_SMS_FROM is not"],
    [
      { ...vapid, RUNCAST_VAPID_SUBJECT: "ops@example.com" },
      'RUNCAST_VAPID_SUBJECT cannot be "ops@example.com"; right is mailto:',
    ],
    [{ RUNCAST_SMS_BODY: "{to} {text}" }, "RUNCAST_SMS_BODY cannot be"],
    [{ RUNCAST_EGRESS_ALLOW: "http://a.example" }, "RUNCAST_EGRESS_ALLOW cannot be"],
    [{ RUNCAST_PUSH_ALLOW: "10.0.0.0/99" }, "RUNCAST_PUSH_ALLOW cannot be"],
  ])("refuse %j and say what is right", async (env, message) => {
    expect(await refused(env)).toContain(message);
  });

  it.each<Env>([
    { ...vapid, RUNCAST_VAPID_PRIVATE_KEY: "canary" },
    { ...vapid, RUNCAST_VAPID_PRIVATE_KEY: newVapidKeys().privateKey.replace(/^/, "canary").slice(0, 43) },
    { RUNCAST_WEBHOOK_URL: "https://a.example", RUNCAST_WEBHOOK_SECRET: "canary" },
    { RUNCAST_WEBHOOK_URL: "https://a.example", RUNCAST_WEBHOOK_SECRET: `${secret},canary` },
    { RUNCAST_WEBHOOK_URL: "https://a:canary@a.example", RUNCAST_WEBHOOK_SECRET: secret },
    { RUNCAST_SMTP_URL: "imap://a:canary@a.example", RUNCAST_MAIL_FROM: "a@b.example" },
    { RUNCAST_SMS_URL: "ftp://canary", RUNCAST_SMS_FROM: "a" },
    { RUNCAST_SMS_URL: "https://a.example", RUNCAST_SMS_FROM: "a", RUNCAST_SMS_TOKEN: "a canary" },
    { RUNCAST_ALERT_URL: "https://hooks.slack.com/canary" },
    { RUNCAST_ALERT_URL: "slack+https://a.example/ok,teams+https://a.example/canary" },
    { RUNCAST_ALERT_URL: "slack+https://a:canary@a.example/" },
  ])("refuse %j without showing it", async (env) => {
    const message = await refused(env);
    expect(message).toMatch(/^RUNCAST_\w+ cannot be what was given; right is/);
    expect(message).not.toContain("canary");
  });
});

/** FAULTS 41: what the failures of all channels and sinks say, in every way that something may be shown. */
describe("a failure of a channel", () => {
  it("holds no address of a person, no token, no URL and no text of the notice", async () => {
    const canary = "canary";
    const alice = { email: `${canary}@example.com`, phone: "+4915112345678" };
    const echo = answers(500, { "x-canary": canary }, `${canary} ${alice.phone}`);
    await using endpoint = await Endpoint.open(echo);
    await using push = await PushService.open(echo);
    const onRcptTo = (_: unknown, __: unknown, done: (error: Error) => void) =>
      done(new Error(`${alice.email} unknown`));
    await using mail = await MailServer.open({ onRcptTo });
    const env = {
      ...vapid,
      RUNCAST_WEBHOOK_URL: endpoint.url(`/${canary}?token=${canary}`),
      RUNCAST_WEBHOOK_SECRET: secret,
      RUNCAST_SMTP_URL: mail.url(),
      RUNCAST_MAIL_FROM: `Runcast <${canary}@example.com>`,
      RUNCAST_SMS_URL: endpoint.url(`/${canary}`),
      RUNCAST_SMS_TOKEN: canary,
      RUNCAST_SMS_FROM: "Runcast",
      RUNCAST_ALERT_URL: `alertmanager+${endpoint.url(`/${canary}`).replace("//", `//${canary}:${canary}@`)},slack+${endpoint.url(`/${canary}`)}`,
    };
    const allowed = { RUNCAST_EGRESS_ALLOW: "127.0.0.1", RUNCAST_PUSH_ALLOW: "127.0.0.1" };
    const { subscription } = push.subscribe(canary);
    const book = new AddressBook({ ...alice, subscriptions: [subscription] });
    const notice = noticeOf({ title: canary, text: canary, url: `https://a.example/${canary}` });
    const alert = {
      name: "A",
      severity: "critical",
      summary: "s",
      state: "firing",
      startedAt: "2026-01-01T00:00:00.000Z",
    } as const;
    const failures = [];
    for (const each of [env, { ...env, ...allowed }]) {
      const { channels, alertSinks } = await outlets(each);
      for (const channel of channels) failures.push(await notTaken(tell(channel, book, notice)));
      for (const sink of alertSinks) failures.push(await notTaken(sink.send([alert], never)));
    }
    expect(failures).toHaveLength(12);
    for (const failure of failures) {
      const shown = `${failure.stack} ${failure.message} ${JSON.stringify({ ...failure })} ${String(failure.cause)}`;
      expect(shown.replaceAll(/^\s+at .*$/gm, "")).not.toMatch(/canary|\+49|127\.0\.0\.1/);
    }
    // The allowed half has been there.
    expect(endpoint.hits.length + push.endpoint.hits.length).toBe(5);
  });
});
