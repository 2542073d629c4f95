import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asUserId } from "../../protocol/ids.ts";
import type { House } from "./support/house.ts";
import { openHouse, token } from "./support/house.ts";

let house: House;
beforeAll(async () => {
  const devUsers = async () => [{ userId: asUserId("alice"), name: "Alice", token: await token("alice") }];
  house = await openHouse({ gateway: { devUsers, allowedOrigins: ["https://app.example"] } });
});
afterAll(() => house.close());

function get(headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(`${house.url}/dev/users`, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
}

describe("the demo users", () => {
  it("come with tokens that hold, to a page of this machine", async () => {
    const { status, body, headers } = await house.call("GET", "/dev/users");
    expect([status, headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(body.users[0]).toMatchObject({ userId: "alice", name: "Alice" });
    expect((await house.call("GET", "/v1/runs", { as: body.users[0].token })).status).toBe(200);
  });

  it.each(["localhost", "127.0.0.1", "[::1]"])("come to the name %s", async (name) => {
    const host = `${name}:${house.port}`;
    expect(await get({ host, origin: `http://${host}`, "sec-fetch-site": "same-origin" })).toBe(200);
  });

  it.each([
    ["a foreign name, as in DNS rebinding", { host: "evil.example" }],
    ["a foreign name with our port", { host: "evil.example:7420", origin: "http://evil.example:7420" }],
    ["a name that only begins like ours", { host: "localhost.evil.example" }],
    ["a page of another origin", { origin: "https://evil.example" }],
    ["a page of an allowed origin", { origin: "https://app.example" }],
    ["a page of another port", { origin: "http://127.0.0.1:1" }],
    ["a page without an origin", { origin: "null" }],
    ["a cross-site request", { "sec-fetch-site": "cross-site" }],
    ["a same-site request", { "sec-fetch-site": "same-site" }],
  ])("do not come to %s", async (_, headers) => {
    expect(await get({ host: `127.0.0.1:${house.port}`, ...headers })).toBe(404);
  });

  it("are unknown outside dev mode", async () => {
    const real = await openHouse();
    expect((await real.call("GET", "/dev/users")).status).toBe(404);
    await real.close();
  });
});
