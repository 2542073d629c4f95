import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asTenantId, asUserId, defaultTenant, streamKey } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { ContactBook } from "../../src/runtime/contact-book.ts";
import { scriptedChannel } from "../support/scripted-channels.ts";
import { type House, keys, openHouse, token } from "./support/house.ts";

const vapidPublicKey = `B${"A".repeat(86)}`;
const subscription = (name: string) => ({
  endpoint: `https://push.example/send/${name}`,
  expirationTime: null,
  keys: { p256dh: vapidPublicKey, auth: "tBHItJI5svbpez7KI4CCXg" },
});
const own = "from the application";

describe("contacts over HTTP", () => {
  const log = memoryLog();
  const book = new ContactBook(log);
  const channel = scriptedChannel("web-push");
  let house: House;
  beforeAll(async () => {
    house = await openHouse({ runtime: { log, vapidPublicKey, channels: [channel] } });
  });
  afterAll(() => house.close());
  const subscribe = async (name: string, user: string, tenant?: string) =>
    house.call("POST", "/v1/push/subscriptions", { as: await token(user, tenant), body: subscription(name) });
  const endpointsOf = async (user: string, tenant: string = defaultTenant) =>
    (await book.find(asTenantId(tenant), asUserId(user))).subscriptions.map(({ endpoint }) => endpoint.slice(26));

  it("gives anybody the key to subscribe with", async () => {
    expect(await house.call("GET", "/v1/push/key")).toMatchObject({ status: 200, body: { publicKey: vapidPublicKey } });
  });

  it("keeps a user's subscriptions, each endpoint once, the newest ten", async () => {
    for (let index = 0; index < 12; index += 1) {
      const { status, body } = await subscribe(`${index}`, "many");
      expect([status, body]).toEqual([201, { subscriptions: Math.min(index + 1, 10) }]);
    }
    expect((await subscribe("5", "many")).body).toEqual({ subscriptions: 10 });
    expect(await endpointsOf("many")).toEqual(["2", "3", "4", "6", "7", "8", "9", "10", "11", "5"]);
    const remove = { as: await token("many"), body: { endpoint: subscription("7").endpoint } };
    for (let times = 0; times < 2; times += 1)
      expect(await house.call("POST", "/v1/push/subscriptions/remove", remove)).toMatchObject({
        status: 200,
        body: {},
      });
    expect(await endpointsOf("many")).not.toContain("7");
  });

  it("gives a browser's endpoint to the user who registered it last, and to nobody else (L8)", async () => {
    await subscribe("shared", "first");
    await subscribe("kept", "first");
    await subscribe("shared", "second", "acme");
    expect(await endpointsOf("first")).toEqual(["kept"]);
    expect(await endpointsOf("second", "acme")).toEqual(["shared"]);
    // Whoever had it before cannot take it away.
    await house.call("POST", "/v1/push/subscriptions/remove", {
      as: await token("first"),
      body: { endpoint: subscription("shared").endpoint },
    });
    expect(await endpointsOf("second", "acme")).toEqual(["shared"]);
    // The tenant is part of who one is.
    expect(await endpointsOf("second")).toEqual([]);
  });

  it.each([
    ["endpoint", { ...subscription("a"), endpoint: "http://push.example/a" }],
    ["endpoint", { ...subscription("a"), endpoint: "https://user:secret@push.example/a" }],
    ["endpoint", { ...subscription("a"), endpoint: `https://push.example/${"a".repeat(2_048)}` }],
    ["keys.p256dh", { ...subscription("a"), keys: { p256dh: "short", auth: "tBHItJI5svbpez7KI4CCXg" } }],
    ["keys", { endpoint: subscription("a").endpoint }],
  ])("refuses a subscription whose %s is not right", async (path, body) => {
    const answer = await house.call("POST", "/v1/push/subscriptions", { as: await token(), body });
    expect([answer.status, answer.body.error.code, answer.body.error.details.path]).toEqual([400, "invalid", path]);
  });

  it("takes subscriptions of users only, and addresses of publishers only", async () => {
    const body = subscription("a");
    expect((await house.call("POST", "/v1/push/subscriptions", { body })).status).toBe(401);
    expect((await house.call("POST", "/v1/push/subscriptions", { as: keys.both, body })).status).toBe(403);
    const contact = { userId: "alice", email: "a@example.com" };
    expect((await house.call("PUT", "/v1/contacts", { as: await token(), body: contact })).status).toBe(403);
    expect((await house.call("PUT", "/v1/contacts", { as: keys.admin, body: contact })).status).toBe(403);
    const foreign = { ...contact, tenantId: "globex" };
    expect((await house.call("PUT", "/v1/contacts", { as: keys.acme, body: foreign })).status).toBe(403);
  });

  it("keeps what a publisher says of a user: what is not named stays, null takes it away", async () => {
    const put = async (body: object, as: string = keys.publisher) =>
      (await house.call("PUT", "/v1/contacts", { as, body: { userId: "alice", ...body } })).body;
    expect(await put({ email: "alice@example.com" })).toEqual({ email: "alice@example.com", subscriptions: 0 });
    const both = { email: "alice@example.com", phone: "+4915112345678", subscriptions: 0 };
    expect(await put({ phone: "+4915112345678" })).toEqual(both);
    // A key of one tenant means that one.
    expect(await put({ email: "other@example.com" }, keys.acme)).toEqual({
      email: "other@example.com",
      subscriptions: 0,
    });
    expect(await put({})).toEqual(both);
    expect(await put({ email: null })).toEqual({ phone: "+4915112345678", subscriptions: 0 });
    expect(await put({ phone: null })).toEqual({ subscriptions: 0 });
    expect(await log.documents({ kind: "contact", limit: 9 })).toHaveLength(1);
  });

  it.each([
    ["email", "nobody"],
    ["email", "a@b@c.example"],
    ["email", "alice@example.com\r\nBcc: eve@example.com"],
    ["email", "Alice <alice@example.com>"],
    ["email", "alice@example.com,eve@example.com"],
    ["phone", "0151 12345678"],
    ["phone", "+0151123456"],
  ])("refuses the %s %j", async (field, value) => {
    const answer = await house.call("PUT", "/v1/contacts", {
      as: keys.publisher,
      body: { userId: "a", [field]: value },
    });
    expect([answer.status, answer.body.error.details.path]).toEqual([400, field]);
  });

  it("shows operators the outbox: whose they may see, by state, in pages", async () => {
    const notice = (tenantId: string, userId: string) =>
      house.call("POST", "/v1/notices", {
        as: keys.both,
        body: { tenantId, userId, type: "x.news", data: {}, critical: true },
      });
    await notice("acme", "ann");
    await notice("acme", "ben");
    await notice("globex", "ann");
    const get = async (query: string, as: string = keys.admin) =>
      (await house.call("GET", `/v1/outbox${query}`, { as })).body;
    const who = async (query: string, as?: string) =>
      (await get(query, as)).rows.map((row: { tenantId: string; userId: string }) => `${row.tenantId} ${row.userId}`);
    expect(await who("")).toEqual(["acme ann", "acme ben", "globex ann"]);
    expect(await who("", keys.acme)).toEqual(["acme ann", "acme ben"]);
    expect(await who("?tenantId=globex&userId=ann")).toEqual(["globex ann"]);
    expect(await who("?state=told")).toEqual([]);
    const first = await get("?limit=2");
    expect(await who(`?limit=2&after=${first.next}`)).toEqual(["globex ann"]);
    expect((await house.call("GET", "/v1/outbox?tenantId=globex", { as: keys.acme })).status).toBe(403);
    expect((await house.call("GET", "/v1/outbox", { as: keys.publisher })).status).toBe(403);
    expect((await house.call("GET", "/v1/outbox?state=lost", { as: keys.admin })).body.error.details.path).toBe(
      "state",
    );
    const metrics = (await house.call("GET", "/metrics")).text;
    expect(metrics).toContain("runcast_escalations_pending 3");
  });
});

describe("contacts", () => {
  it("are nowhere to subscribe to where nobody is told by Web Push", async () => {
    const house = await openHouse();
    expect((await house.call("GET", "/v1/push/key")).status).toBe(404);
    const body = subscription("a");
    expect((await house.call("POST", "/v1/push/subscriptions", { as: await token(), body })).status).toBe(404);
    await house.close();
  });

  it("are the application's own first, and what is registered besides", async () => {
    const dropped: string[] = [];
    const log = memoryLog();
    const book = new ContactBook(log, {
      find: async (_tenantId, userId) => ({ email: `${userId}@own.example`, subscriptions: [subscription(own)] }),
      drop: async (_tenantId, userId) => void dropped.push(userId),
    });
    const alice = asUserId("alice");
    const stream = streamKey(defaultTenant, alice);
    await book.put(stream, { email: "alice@registered.example", phone: "+4915112345678" });
    await book.subscribe(stream, subscription("registered"));
    expect(await book.find(defaultTenant, alice)).toMatchObject({
      email: "alice@own.example",
      phone: "+4915112345678",
      subscriptions: [subscription(own), { endpoint: subscription("registered").endpoint }],
    });
    await book.drop(defaultTenant, alice, subscription("registered"));
    expect(dropped).toEqual(["alice"]);
    expect((await book.find(defaultTenant, alice)).subscriptions).toEqual([subscription(own)]);
  });
});
