import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Channel } from "../../src/fallback/channel.ts";
import { speaksAgainstChannel } from "../../src/fallback/not-taken.ts";
import type { WebhookOptions } from "../../src/fallback/webhook.ts";
import { webhookChannel } from "../../src/fallback/webhook.ts";
import { verifyWebhook } from "../../src/fallback/webhook-receiver.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { answers, Endpoint, hangs } from "./support/endpoint.ts";
import { AddressBook, notTaken, noticeOf, tell } from "./support/notices.ts";

const secret = "a-secret-of-the-webhook-0123456789";
const newSecret = `whsec_${Buffer.from("another-secret-0123456789-abcdef").toString("base64")}`;
const nobody = new AddressBook();

const channel = (url: string, options: Partial<WebhookOptions> = {}): Channel =>
  webhookChannel({ url, secrets: [secret], allow: "127.0.0.1", ...options });

/** One webhook as its receiver gets it. */
async function received(options: Partial<WebhookOptions> = {}, notice = noticeOf()) {
  await using endpoint = await Endpoint.open();
  await tell(channel(endpoint.url("/hook"), options), nobody, notice);
  return endpoint.last;
}

describe("the webhook", () => {
  it("posts who and what for, and nothing of what the event holds", async () => {
    await using endpoint = await Endpoint.open();
    const by = `127.0.0.1:${endpoint.port}`;
    expect(await tell(channel(endpoint.url("/hook?a=b")), nobody)).toEqual({ kind: "told", by });
    const { path, headers, body } = endpoint.last;
    expect([path, headers["content-type"]]).toEqual(["/hook?a=b", "application/json"]);
    expect(JSON.parse(body.toString())).toEqual({
      id: noticeOf().id,
      type: "agent_failed",
      tenantId: "acme",
      userId: "alice",
      runId: "run-1",
      offset: 7,
      time: "2026-01-01T10:00:00.000Z",
      title: "The agent writer has failed",
      text: "It said: the model did not answer.",
      url: "https://app.example/runs/run-1",
    });
  });

  it("is signed as Standard Webhooks has it, with each of the secrets", async () => {
    const { headers, body } = await received({ secrets: [secret, newSecret] });
    const signed = [headers["webhook-id"], headers["webhook-timestamp"], body.toString()].join(".");
    const sign = (key: string | Buffer) => `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
    expect(headers["webhook-signature"]).toBe(
      `${sign(secret)} ${sign(Buffer.from("another-secret-0123456789-abcdef"))}`,
    );
    expect(headers["webhook-id"]).toBe(noticeOf().id);
  });

  it.each([
    [302, "the webhook answered 302, and redirects are not followed"],
    [404, "the webhook answered 404"],
    [500, "the webhook answered 500"],
  ])("is not told by an answer of %i", async (status, message) => {
    await using endpoint = await Endpoint.open(answers(status, { location: "http://127.0.0.1/" }));
    const failure = await notTaken(tell(channel(endpoint.url()), nobody));
    expect([failure.message, speaksAgainstChannel(failure)]).toEqual([message, true]);
    expect(endpoint.hits).toHaveLength(1);
  });

  it("gives up a receiver that hangs", async () => {
    await using endpoint = await Endpoint.open(hangs);
    const failure = await notTaken(tell(channel(endpoint.url(), { timeoutMs: 50 }), nobody));
    expect([failure.reason, speaksAgainstChannel(failure)]).toEqual(["call", true]);
  });

  it("is not made without a URL or with a secret that can be guessed, and shows neither", () => {
    for (const options of [
      { url: "canary" },
      { url: "https://u:canary@a.example" },
      { secrets: ["canary"] },
      { secrets: [] },
    ]) {
      const make = () => channel("https://a.example", options);
      expect(make).toThrow(/must be/);
      expect(make).not.toThrow(/canary/);
    }
  });
});

describe("who receives a webhook", () => {
  it("knows it by any of the secrets, from node's headers and from fetch's", async () => {
    const { headers, body } = await received({ secrets: [secret, newSecret] });
    const texts = { ...headers } as Record<string, string>;
    for (const given of [headers, new Headers(texts)])
      for (const secrets of [secret, newSecret, [newSecret, secret]]) {
        const checked = verifyWebhook(given, body, secrets);
        expect(checked).toMatchObject({ ok: true, id: noticeOf().id, isDuplicate: false });
        expect(checked.ok && checked.notice.title).toBe("The agent writer has failed");
      }
  });

  it("refuses what another has signed, changed, or not signed", async () => {
    const { headers, body } = await received();
    const text = body.toString();
    const refusals: readonly (readonly [object, string | Buffer, string | readonly string[], string])[] = [
      [headers, text.replace("alice", "mallory"), secret, "signature"],
      [headers, `${text} `, secret, "signature"],
      [headers, text, "b-secret-of-the-webhook-0123456789", "signature"],
      [headers, text, [], "signature"],
      [headers, text, "", "signature"],
      [{ ...headers, "webhook-id": "other" }, text, secret, "signature"],
      [
        { ...headers, "webhook-timestamp": String(Number(headers["webhook-timestamp"]) + 1) },
        text,
        secret,
        "signature",
      ],
      [{ ...headers, "webhook-signature": "v1," }, text, secret, "signature"],
      [
        { ...headers, "webhook-signature": String(headers["webhook-signature"]).replace("v1,", "v2,") },
        text,
        secret,
        "signature",
      ],
      [{ ...headers, "webhook-signature": undefined }, text, secret, "headers"],
      [{ ...headers, "webhook-timestamp": "now" }, text, secret, "timestamp"],
      [{ ...headers, "webhook-timestamp": "-1" }, text, secret, "timestamp"],
      [{}, text, secret, "headers"],
    ];
    for (const [given, each, secrets, reason] of refusals)
      expect(verifyWebhook(given as Record<string, string>, each, secrets)).toEqual({ ok: false, reason });
  });

  it("refuses a replay from long ago, and one from the time to come", async () => {
    const clock = manualClock();
    const { headers, body } = await received({ clock });
    const at = (awayMs: number, toleranceMs?: number) =>
      verifyWebhook(headers, body, secret, { nowMs: clock.now() + awayMs, toleranceMs });
    expect(at(0).ok).toBe(true);
    expect(at(300_000).ok).toBe(true);
    expect(at(-300_000).ok).toBe(true);
    expect(at(300_001)).toEqual({ ok: false, reason: "timestamp" });
    expect(at(-300_001)).toEqual({ ok: false, reason: "timestamp" });
    expect(at(2_000, 1_000)).toEqual({ ok: false, reason: "timestamp" });
  });

  it("flags the second of two with one id, once its first is done", async () => {
    await using endpoint = await Endpoint.open();
    const webhook = channel(endpoint.url());
    await tell(webhook, nobody);
    await tell(webhook, nobody);
    const seen = new Set<string>();
    const flags = endpoint.hits.map(({ headers, body }) => {
      const checked = verifyWebhook(headers, body, secret, { seen });
      if (!checked.ok) throw new Error(checked.reason);
      seen.add(checked.id);
      return checked.isDuplicate;
    });
    expect(flags).toEqual([false, true]);
  });

  it("refuses what is signed and no notice", () => {
    const sign = (id: string, body: string) => ({
      "webhook-id": id,
      "webhook-timestamp": "1",
      "webhook-signature": `v1,${createHmac("sha256", secret).update(`${id}.1.${body}`).digest("base64")}`,
    });
    for (const body of ["{}", "no json", "[]", "", JSON.stringify({ id: "a" })])
      expect(verifyWebhook(sign("a", body), body, secret, { nowMs: 1_000 })).toEqual({ ok: false, reason: "body" });
  });
});
