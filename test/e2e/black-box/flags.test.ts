import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BlackBox, refused } from "../../support/black-box.ts";
import { apiKeys, userToken } from "../../support/built-server.ts";

let box: BlackBox;
beforeAll(async () => {
  box = await BlackBox.start();
});
afterAll(() => box[Symbol.asyncDispose]());

const get = () => box.call("GET /v1/flags", { as: apiKeys.admin });
const patch = (body: unknown, headers: Readonly<Record<string, string>> = {}, as: string = apiKeys.admin) =>
  box.call("PATCH /v1/flags", { as, body, headers });
const rollback = () => box.call("POST /v1/flags/rollback", { as: apiKeys.admin });

describe("feature flags over HTTP", () => {
  it("are shown whole, with their version", async () => {
    const { status, body, headers } = await get();
    expect([status, headers.get("etag")]).toEqual([200, `"${body.version}"`]);
    expect(Object.keys(body)).toEqual(["flags", "version"]);
    expect(body.flags).toMatchObject({ batching: "asked", performanceMode: false, contaminationPolicy: "refuse" });
  });

  it("are changed without a restart, survive kill -9, and go back in one call", async () => {
    const { version } = (await get()).body;
    const rule = { default: false, tenants: { acme: true }, percent: { value: true, percent: 10 } };
    const changed = await patch({ performanceMode: rule, "fallbacks.sms": false });
    expect(changed.body).toMatchObject({
      version: version + 1,
      flags: { performanceMode: rule, "fallbacks.sms": false, batching: "asked" },
    });
    await box.server.kill9();
    await box.server.restart();
    expect((await get()).body).toEqual(changed.body);
    const back = await rollback();
    expect(back.body).toMatchObject({
      version: version + 2,
      flags: { performanceMode: false, "fallbacks.sms": true },
    });
    await box.server.kill9();
    await box.server.restart();
    expect((await get()).body).toEqual(back.body);
  });

  it("answer a mistake with what would be right, and change nothing", async () => {
    const before = (await get()).body;
    const known = Object.keys(before.flags);
    expect(refused(await patch({ performanceMode: true, dance: true }))).toEqual({
      status: 400,
      code: "invalid",
      details: { path: "dance", known },
    });
    const bad = await patch({ batching: "sideways" });
    expect(refused(bad)).toMatchObject({ status: 400, details: { path: "batching" } });
    expect(bad.body.error.message).toContain('"off", "asked", "on" or "adaptive"');
    for (const body of ["", "nonsense", "[]", "7"]) expect(refused(await patch(body)).status).toBe(400);
    expect((await get()).body).toEqual(before);
  });

  it("let one of two operators through who saw the same version", async () => {
    const seen = await get();
    const match = { "if-match": seen.headers.get("etag") ?? "" };
    const both = await Promise.all([patch({ batching: "on" }, match), patch({ batching: "off" }, match)]);
    expect(both.filter(({ status }) => status === 200)).toHaveLength(1);
    const lost = both.find(({ status }) => status === 409);
    expect(lost && refused(lost)).toMatchObject({
      code: "flags_conflict",
      details: { version: seen.body.version + 1 },
    });
    expect(refused(await patch({}, { "if-match": "yesterday" })).status).toBe(400);
  });

  it("are for admins only", async () => {
    const others = [apiKeys.publish, await userToken("alice")];
    for (const as of others) {
      expect((await box.call("GET /v1/flags", { as })).status).toBe(403);
      expect((await patch({}, {}, as)).status).toBe(403);
      expect((await box.call("POST /v1/flags/rollback", { as })).status).toBe(403);
    }
    expect((await box.call("GET /v1/flags")).status).toBe(401);
  });

  it("say what there is besides, for a method that is not", async () => {
    const answer = await box.call("DELETE /v1/flags", { as: apiKeys.admin });
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, PATCH"]);
  });

  it("go back no further than there is a set", async () => {
    let last = await rollback();
    while (last.status === 200) last = await rollback();
    expect(refused(last)).toMatchObject({ status: 409, code: "flags_conflict" });
  });
});
