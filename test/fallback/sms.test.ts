import { describe, expect, it } from "vitest";
import type { Channel } from "../../src/fallback/channel.ts";
import { speaksAgainstChannel } from "../../src/fallback/not-taken.ts";
import { readSmsBody } from "../../src/fallback/sms-body.ts";
import type { SmsOptions } from "../../src/fallback/sms.ts";
import { smsChannel } from "../../src/fallback/sms.ts";
import { answers, Endpoint } from "./support/endpoint.ts";
import { AddressBook, notTaken, noticeOf, tell } from "./support/notices.ts";

const book = new AddressBook({ phone: "+4915112345678" });
const channel = (url: string, options: Partial<SmsOptions> = {}): Channel =>
  smsChannel({ url, token: "a-token", from: "Runcast", allow: "127.0.0.1", ...options });

async function bodyOf(options: Partial<SmsOptions> = {}, notice = noticeOf()): Promise<Record<string, unknown>> {
  await using endpoint = await Endpoint.open();
  await tell(channel(endpoint.url(), options), book, notice);
  return JSON.parse(endpoint.last.body.toString()) as Record<string, unknown>;
}

describe("SMS", () => {
  it("posts number, sender, text and id to the gateway, with its token", async () => {
    await using endpoint = await Endpoint.open(answers(202));
    const told = await tell(channel(endpoint.url("/v1/messages")), book);
    expect(told).toEqual({ kind: "told", by: `127.0.0.1:${endpoint.port}` });
    const { path, headers, body } = endpoint.last;
    expect(path).toBe("/v1/messages");
    expect(headers).toMatchObject({
      authorization: "Bearer a-token",
      "idempotency-key": noticeOf().id,
      "content-type": "application/json",
    });
    expect(JSON.parse(body.toString())).toEqual({
      to: "+4915112345678",
      from: "Runcast",
      text: "The agent writer has failed: It said: the model did not answer.",
      id: noticeOf().id,
    });
  });

  it("speaks the gateway's own shape", async () => {
    const body =
      '{"message":{"recipients":["{to}"],"content":"[{from}] {text}","type":"text"},"priority":1,"ref":"rc-{id}"}';
    expect(await bodyOf({ body })).toEqual({
      message: {
        recipients: ["+4915112345678"],
        content: "[Runcast] The agent writer has failed: It said: the model did not answer.",
        type: "text",
      },
      priority: 1,
      ref: `rc-${noticeOf().id}`,
    });
  });

  it("lets no text change the shape, or be filled a second time", async () => {
    const text = '","to":"+1","x":"{from} {to} \\ $& $1';
    const body = await bodyOf({}, noticeOf({ title: "a", text }));
    expect(body).toEqual({ to: "+4915112345678", from: "Runcast", text: `a: ${text}`, id: noticeOf().id });
  });

  it("is one message, cut between two characters", async () => {
    for (let fill = 0; fill < 4; fill += 1) {
      const { text } = await bodyOf({}, noticeOf({ title: "a".repeat(fill), text: "😀".repeat(200) }));
      expect(String(text).length).toBeLessThanOrEqual(160);
      expect(String(text).length).toBeGreaterThan(157);
      expect(String(text).isWellFormed()).toBe(true);
      expect(text).toMatch(/\.\.\.$/);
    }
    expect((await bodyOf({}, noticeOf({ title: "a\r\nb", text: "c\t\td\n" })))["text"]).toBe("a b: c d");
  });

  it("is absent for who has no number, and calls no number that is none", async () => {
    await using endpoint = await Endpoint.open();
    const sms = channel(endpoint.url());
    expect(await tell(sms, new AddressBook())).toEqual({ kind: "absent" });
    for (const phone of ["015112345678", "+49 151", "+0123456789", "+1;ext=2", "", "+1234567890123456"]) {
      const failure = await notTaken(tell(sms, new AddressBook({ phone })));
      expect([failure.reason, speaksAgainstChannel(failure)]).toEqual(["address", false]);
    }
    expect(endpoint.hits).toEqual([]);
  });

  it.each([
    [400, false],
    [422, false],
    [401, true],
    [429, true],
    [503, true],
  ])("counts an answer of %i against the channel: %s", async (status, counts) => {
    await using endpoint = await Endpoint.open(answers(status));
    const failure = await notTaken(tell(channel(endpoint.url()), book));
    expect([failure.message, speaksAgainstChannel(failure)]).toEqual([`the SMS gateway answered ${status}`, counts]);
  });
});

describe("the body of an SMS", () => {
  it.each([
    "",
    "text",
    '"{to} {text}"',
    '["{to}","{text}"]',
    "null",
    '{"to":"{to}"}',
    '{"text":"{text}"}',
    '{"{to}":"{text}"}',
    '{"to":"{to}","text":"{text}","from":"{form}"}',
  ])("is not %j", (text) => expect(readSmsBody(text)).toBeUndefined());
});
