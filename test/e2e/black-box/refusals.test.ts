import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BlackBox, executing, refused } from "../../support/black-box.ts";
import { apiKeys, userToken } from "../../support/built-server.ts";

let box: BlackBox;
let alice: string;

beforeAll(async () => {
  box = await BlackBox.start();
  alice = await userToken("alice");
});
afterAll(() => box[Symbol.asyncDispose]());

const mebibyte = 1_048_576;

describe("credentials", () => {
  const elsewhere = "another-secret-of-at-least-32-bytes-0123456789";
  it.each<[string, () => string | Promise<string>]>([
    ["of another secret", () => userToken("alice", {}, elsewhere)],
    ["without `exp`", () => userToken("alice", { exp: undefined })],
    ["that has expired", () => userToken("alice", { exp: Math.floor(Date.now() / 1_000) - 60 })],
    ["whose `sub` is no text", () => userToken("alice", { sub: 5 })],
    ["without `sub`", () => userToken("alice", { sub: undefined })],
    ["whose `sub` has a control character", () => userToken("a\nb")],
    ["whose tenant is no text", () => userToken("alice", { tid: 7 })],
    [
      "of algorithm none",
      () =>
        `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from('{"sub":"alice","exp":9999999999}').toString("base64url")}.`,
    ],
    ["that is none", () => "not-a-token"],
  ])("a token %s is 401", async (_, token) => {
    const answer = await box.call("GET /v1/events", { as: await token() });
    expect(refused(answer)).toMatchObject({ status: 401, code: "unauthenticated" });
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
  });

  it.each(["token", "access_token", "jwt"])("in the URL is refused, also beside a good one: %s", async (name) => {
    expect(refused(await box.call(`GET /v1/events?${name}=${alice}`, { as: alice }))).toMatchObject({
      status: 401,
      code: "unauthenticated",
    });
    expect(refused(await box.call(`GET /v1/stream?${name}=${alice}`))).toMatchObject({
      status: 401,
      code: "unauthenticated",
    });
  });

  it("a ticket has 256 bits and a minute, is a user's, and works once", async () => {
    const { status, body } = await box.call("POST /v1/tickets", { as: alice, body: {} });
    expect(status).toBe(200);
    expect(Object.keys(body).toSorted()).toEqual(["expiresAt", "ticket"]);
    expect(Buffer.from(body.ticket, "base64url").length).toBeGreaterThanOrEqual(32);
    const leftMs = Date.parse(body.expiresAt) - Date.now();
    expect(leftMs).toBeGreaterThan(50_000);
    expect(leftMs).toBeLessThanOrEqual(60_000);
    expect(refused(await box.call("POST /v1/tickets", { as: apiKeys.both, body: {} }))).toMatchObject({
      status: 403,
      code: "forbidden",
    });
    const uses = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const controller = new AbortController();
        const response = await fetch(`${box.url}/v1/stream?ticket=${body.ticket}`, { signal: controller.signal });
        controller.abort();
        return response.status;
      }),
    );
    expect(uses.toSorted((a, b) => a - b)).toEqual([200, 401, 401, 401, 401]);
  });

  it("of a page that is not ours are refused by its origin, and reads of ours pass", async () => {
    const headers = { origin: "https://evil.example" };
    expect(refused(await box.call("GET /v1/events", { as: alice, headers }))).toMatchObject({
      status: 403,
      code: "forbidden",
    });
    expect(refused(await box.call("POST /v1/tickets", { as: alice, body: {}, headers }))).toMatchObject({
      status: 403,
      code: "forbidden",
    });
    expect((await box.call("GET /v1/events", { as: alice, headers: { origin: box.url } })).status).toBe(200);
  });
});

describe("a body", () => {
  const deep = (levels: number) => `{"userId":"u","agent":"a","input":${"[".repeat(levels)}${"]".repeat(levels)}}`;
  it.each<[string, () => string | Uint8Array, number, string]>([
    ["a mebibyte of garbage", () => "\u0000g{[\"'".repeat(mebibyte / 6), 400, "invalid"],
    [
      "a mebibyte of field names",
      () => `{${Array.from({ length: 60_000 }, (_, at) => `"field-${at}":1`).join(",")}}`,
      400,
      "invalid",
    ],
    ["one unknown field of a mebibyte", () => `{"${"x".repeat(mebibyte - 100)}":1}`, 400, "invalid"],
    ["over a mebibyte", () => `{"userId":"${"x".repeat(mebibyte)}"}`, 413, "too_large"],
    ["33 levels deep", () => deep(33), 400, "invalid"],
    ["a hundred thousand levels deep", () => deep(100_000), 400, "invalid"],
    ["with a prototype", () => '{"userId":"u","agent":"a","input":{"__proto__":{"admin":true}}}', 400, "invalid"],
    ["with an escaped prototype", () => '{"userId":"u","agent":"a","input":{"__pro\\u0074o__":{}}}', 400, "invalid"],
    [
      "with a constructor's prototype",
      () => '{"userId":"u","agent":"a","input":{"constructor":{"prototype":{}}}}',
      400,
      "invalid",
    ],
    ["that is not UTF-8", () => Uint8Array.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 400, "invalid"],
    ["that is a list", () => "[]", 400, "invalid"],
    ["that is null", () => "null", 400, "invalid"],
    ["that is empty", () => "", 400, "invalid"],
  ])("is answered small and named: %s", async (_, body, status, code) => {
    expect(refused(await box.publish("runs", body()))).toMatchObject({ status, code });
  });

  it("of 31 levels and of nearly a mebibyte is taken", async () => {
    expect((await box.publish("runs", deep(31))).status).toBe(201);
    const input = "ü".repeat(500_000);
    expect((await box.publish("runs", { userId: "u", agent: "a", input })).status).toBe(201);
  });

  it("of a publish that is a mebibyte of garbage says little too", async () => {
    const run = await box.start();
    const types = Array.from({ length: 1_000 }, () => ({ type: "z".repeat(128), data: {} }));
    expect(refused(await box.say(run, types))).toMatchObject({ status: 400, code: "invalid_event" });
    const field = { ["k".repeat(900_000)]: { userId: "bob" } };
    expect(refused(await box.say(run, [{ type: "x.a", data: field }]))).toMatchObject({
      status: 422,
      code: "contaminated",
    });
    expect(refused(await box.say(run, [executing("c".repeat(257))]))).toMatchObject({
      status: 400,
      code: "invalid_event",
    });
  });
});

describe("the rest", () => {
  it.each([
    "POST /v1/agui",
    "GET /v1/aisdk",
    "GET /v1",
    "GET /v1/",
    "GET /v1/nothing",
    "GET /v2/runs",
    "GET /v1/runs/",
    "GET /v1/runs//events",
    "GET /nothing",
  ])("is 404 until it exists: %s", async (path) => {
    expect(refused(await box.call(path, { as: apiKeys.both }))).toMatchObject({ status: 404, code: "not_found" });
  });

  it("is alive, ready and counted for anybody", async () => {
    expect((await box.call("GET /livez")).status).toBe(200);
    expect((await box.call("GET /readyz")).status).toBe(200);
    const metrics = await box.call("GET /metrics");
    expect(metrics.status).toBe(200);
    expect(metrics.headers.get("content-type")).toMatch(/^text\/plain/);
    expect(metrics.text).toMatch(/^runcast_\w+/m);
  });

  it("shows the page at /, which may load nothing from elsewhere", async () => {
    const page = await box.call("GET /");
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toMatch(/^text\/html/);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");
    for (const path of [
      "/../package.json",
      "/%2e%2e/package.json",
      "/assets/..%2f..%2fpackage.json",
      "/console/index.html",
    ])
      expect((await box.call(`GET ${path}`)).status).toBe(404);
    // No secret is configured to be shown: demo users are for dev mode.
    expect(refused(await box.call("GET /dev/users"))).toMatchObject({ status: 404, code: "not_found" });
  });
});
