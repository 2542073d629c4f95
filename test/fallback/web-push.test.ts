import { describe, expect, it } from "vitest";
import type { Channel } from "../../src/fallback/channel.ts";
import { speaksAgainstChannel } from "../../src/fallback/not-taken.ts";
import { newVapidKeys } from "../../src/fallback/vapid.ts";
import type { WebPushOptions } from "../../src/fallback/web-push.ts";
import { webPushChannel } from "../../src/fallback/web-push.ts";
import { answers, hangs } from "./support/endpoint.ts";
import { AddressBook, notTaken, noticeOf, tell, unreadable } from "./support/notices.ts";
import { PushService } from "./support/push-service.ts";

const keys = newVapidKeys();
const channel = (options: Partial<WebPushOptions> = {}): Promise<Channel> =>
  webPushChannel({ ...keys, subject: "mailto:ops@example.com", allow: "127.0.0.1", ...options });

describe("web push", () => {
  it("sends what only the browser of the subscription can read, signed by the server's key", async () => {
    await using service = await PushService.open();
    const { subscription, read } = service.subscribe();
    const book = new AddressBook({ subscriptions: [subscription] });
    expect(await tell(await channel(), book)).toEqual({ kind: "told", by: `127.0.0.1:${service.endpoint.port}` });
    const { last } = service.endpoint;
    expect(read(last)).toEqual({
      id: noticeOf().id,
      tag: noticeOf().id,
      title: "The agent writer has failed",
      text: "It said: the model did not answer.",
      url: "https://app.example/runs/run-1",
    });
    expect(last.body.toString("latin1")).not.toContain("writer");
    const sender = await service.sender(last);
    expect([sender.key, sender.subject]).toEqual([keys.publicKey, "mailto:ops@example.com"]);
    // RFC 8292: at most a day.
    expect(sender.livesSeconds).toBeLessThanOrEqual(86_400);
    expect(last.headers).toMatchObject({ ttl: "86400", urgency: "high", "content-encoding": "aes128gcm" });
    expect(last.headers["topic"]).toMatch(/^[\w-]{1,32}$/);
  });

  it("replaces itself when it is sent again, and nothing else", async () => {
    await using service = await PushService.open();
    const { subscription } = service.subscribe();
    const book = new AddressBook({ subscriptions: [subscription] });
    const webPush = await channel();
    for (const id of ["one", "one", "two"]) await tell(webPush, book, noticeOf({ id }));
    const [first, again, other] = service.endpoint.hits.map(({ headers }) => headers["topic"]);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  it("fits into one message, however long its texts are", async () => {
    await using service = await PushService.open();
    const { subscription, read } = service.subscribe();
    const book = new AddressBook({ subscriptions: [subscription] });
    const long = "😀".repeat(5_000);
    await tell(
      await channel(),
      book,
      noticeOf({ title: long, text: long, url: `https://a.example/${"a".repeat(9_000)}` }),
    );
    expect(service.endpoint.last.body.length).toBeLessThanOrEqual(4_096);
    const message = read(service.endpoint.last);
    expect(message).not.toHaveProperty("url");
    expect(JSON.stringify(message)).not.toMatch(/\\ud83d(?!\\ude00)|\ufffd/);
  });

  it("tells every device, and is told when one has it", async () => {
    await using service = await PushService.open((response, { path }) =>
      answers(path === "/push/old" ? 410 : path === "/push/ill" ? 500 : 201)(response, service.endpoint.last),
    );
    const [phone, old, ill] = ["phone", "old", "ill"].map((device) => service.subscribe(device).subscription);
    if (phone === undefined || old === undefined || ill === undefined) throw new Error("no subscriptions");
    const book = new AddressBook({ subscriptions: [old, ill, phone] });
    expect(await tell(await channel(), book)).toMatchObject({ kind: "told" });
    expect(service.endpoint.hits.map(({ path }) => path).toSorted()).toEqual(["/push/ill", "/push/old", "/push/phone"]);
    expect(book.dropped).toEqual([old]);
  });

  it.each([404, 410])("drops a subscription that the service answers with %i, and is then absent", async (status) => {
    await using service = await PushService.open(answers(status));
    const { subscription } = service.subscribe();
    const book = new AddressBook({ subscriptions: [subscription] });
    expect(await tell(await channel(), book)).toEqual({ kind: "absent" });
    expect(book.dropped).toEqual([subscription]);
  });

  it("goes on when a dead subscription cannot be forgotten now", async () => {
    await using service = await PushService.open(answers(410));
    const { subscription } = service.subscribe();
    const records: string[] = [];
    const webPush = await channel({ journal: { write: (_, what) => records.push(what) } });
    const contacts = { ...unreadable, find: async () => ({ subscriptions: [subscription] }) };
    expect(await tell(webPush, contacts)).toEqual({ kind: "absent" });
    expect(records).toEqual(["push.subscriptionKept"]);
  });

  it("is absent for who has no subscription, and for another user of the same name in another tenant", async () => {
    await using service = await PushService.open();
    const book = new AddressBook({ subscriptions: [service.subscribe().subscription] });
    const webPush = await channel();
    expect(await tell(webPush, new AddressBook())).toEqual({ kind: "absent" });
    expect(await tell(webPush, book, noticeOf({ tenantId: "other" as never }))).toEqual({ kind: "absent" });
    expect(service.endpoint.connections).toBe(0);
  });

  it("calls no address inside, wherever a client says that its push service is", async () => {
    await using service = await PushService.open();
    const { subscription } = service.subscribe();
    const webPush = await channel({ allow: "" });
    for (const host of ["127.0.0.1", "[::ffff:7f00:1]", "2130706433", "localhost"]) {
      const endpoint = `https://${host}:${service.endpoint.port}/push`;
      const failure = await notTaken(
        tell(webPush, new AddressBook({ subscriptions: [{ ...subscription, endpoint }] })),
      );
      expect([failure.reason, speaksAgainstChannel(failure)]).toEqual(["target", false]);
    }
    expect(service.endpoint.connections).toBe(0);
  });

  it.each([
    { endpoint: "no url", keys: {} },
    { endpoint: "https://push.example/", keys: { p256dh: "short", auth: "short" } },
    { endpoint: "https://push.example/", keys: { p256dh: "B".repeat(87), auth: "A".repeat(22) } },
  ])("takes %j for what no browser made", async (subscription) => {
    const book = new AddressBook({ subscriptions: [subscription as never] });
    const failure = await notTaken(tell(await channel(), book));
    expect([failure.reason, speaksAgainstChannel(failure)]).toEqual(["address", false]);
  });

  it("counts a failure against the channel only when the service is a browser's, or the operator's", async () => {
    await using service = await PushService.open(answers(503));
    const { subscription } = service.subscribe();
    const endpoint = `http://localhost:${service.endpoint.port}/push`;
    const book = new AddressBook({ subscriptions: [{ ...subscription, endpoint }] });
    const named = await notTaken(tell(await channel({ allow: "localhost" }), book));
    expect([named.message, speaksAgainstChannel(named)]).toEqual(["the push service answered 503", true]);
    const strange = await notTaken(tell(await channel({ allow: "127.0.0.0/8,::1" }), book));
    expect([strange.message, speaksAgainstChannel(strange)]).toEqual(["the push service answered 503", false]);
  });

  it("gives up a service that hangs", async () => {
    await using service = await PushService.open(hangs);
    const book = new AddressBook({ subscriptions: [service.subscribe().subscription] });
    expect((await notTaken(tell(await channel({ timeoutMs: 50 }), book))).message).toContain("no answer within 50 ms");
  });

  it("does not count an address book that cannot be read", async () => {
    const failure = await notTaken(tell(await channel(), unreadable));
    expect([failure.reason, speaksAgainstChannel(failure)]).toEqual(["contacts", false]);
  });
});
