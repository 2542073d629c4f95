/** Limits as strangers meet them over HTTP. The client stands behind a proxy that we trust, so that it has an address. */
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { addressList } from "../../src/gateway/client-address.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { House, HouseOptions } from "./support/house.ts";
import { keys, openHouse, token } from "./support/house.ts";

const houses: House[] = [];
const sockets: WebSocket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  for (const house of houses.splice(0)) await house.close();
});

/** However slow the machine is, no allowance comes back meanwhile. */
const still = { ...systemClock, mono: () => 0 };

async function house(tiers: NonNullable<HouseOptions["gateway"]>["tiers"], options: HouseOptions = {}): Promise<House> {
  const gateway = { clock: still, tiers, trustedProxies: addressList("127.0.0.1, ::1"), ...options.gateway };
  const made = await openHouse({ ...options, gateway });
  houses.push(made);
  return made;
}

/** What becomes of an upgrade: open, or refused with an HTTP status. */
function upgrade(url: string, address: string | undefined, bearer?: string) {
  const headers = {
    ...(address !== undefined && { "x-forwarded-for": address }),
    ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
  };
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/ws`, ["runcast.v1"], { headers });
  sockets.push(socket);
  return new Promise<{ status: number; retryAfter: string | undefined; body: string; socket: WebSocket }>((resolve) => {
    socket.on("error", () => {});
    socket.on("open", () => resolve({ status: 101, retryAfter: undefined, body: "", socket }));
    socket.on("unexpected-response", (_, response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => {
        body += chunk.toString("utf8");
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, retryAfter: response.headers["retry-after"], body, socket }),
      );
    });
  });
}

const statuses = async (count: number, open: () => Promise<{ status: number }>): Promise<number[]> => {
  const found: number[] = [];
  for (let turn = 0; turn < count; turn += 1) found.push((await open()).status);
  return found;
};

describe("the limits of an address", () => {
  it("refuse connections that open too fast, with the time to come back, and only those of this address", async () => {
    const { url } = await house({ perAddress: { connectionsPerSecond: 1 } });
    expect(await statuses(10, () => upgrade(url, "1.2.3.4"))).toEqual(Array.from({ length: 10 }, () => 101));
    const refused = await upgrade(url, "1.2.3.4");
    expect([refused.status, refused.retryAfter]).toEqual([429, "1"]);
    const { error } = JSON.parse(refused.body);
    expect(error).toMatchObject({
      code: "too_many",
      details: { limit: "addressConnectionsPerSecond", retryAfterMs: expect.any(Number) },
    });
    expect((await upgrade(url, "1.2.3.5")).status).toBe(101);
  });

  it("are those of a whole IPv6 network", async () => {
    const { url } = await house({ perAddress: { connectionsPerSecond: 1 } });
    let last = 0;
    expect(await statuses(10, () => upgrade(url, `2001:db8::${(last += 1)}`))).not.toContain(429);
    expect((await upgrade(url, "2001:db8::ffff:1")).status).toBe(429);
    expect((await upgrade(url, "2001:db8:0:1::1")).status).toBe(101);
  });

  it("bound how many are open, and give a place back when one closes", async () => {
    const { url } = await house({ perAddress: { connections: 2 } });
    const [one] = [await upgrade(url, "1.2.3.4"), await upgrade(url, "1.2.3.4")];
    expect((await upgrade(url, "1.2.3.4")).status).toBe(429);
    one.socket.close();
    await expect.poll(async () => (await upgrade(url, "1.2.3.4")).status).toBe(101);
  });

  it("hold streams of events to the same", async () => {
    const made = await house({ perAddress: { connections: 1 } });
    const headers = { "x-forwarded-for": "1.2.3.4", authorization: `Bearer ${await token()}` };
    const first = await fetch(`${made.url}/v1/stream`, { headers });
    expect(first.status).toBe(200);
    const second = await fetch(`${made.url}/v1/stream`, { headers });
    expect([second.status, second.headers.get("retry-after")]).toEqual([429, "5"]);
    expect((await upgrade(made.url, "1.2.3.4")).status).toBe(429);
    await first.body?.cancel();
    await expect.poll(async () => (await upgrade(made.url, "1.2.3.4")).status).toBe(101);
  });

  it("answer who has no credential with 429 at last, and who has one as ever", async () => {
    const made = await house({ perAddress: { refusalsPerSecond: 1 } });
    const headers = { "x-forwarded-for": "1.2.3.4" };
    const ask = (as: string) => made.call("GET", "/v1/runs", { as, headers });
    expect(await statuses(10, () => ask("wrong"))).toEqual(Array.from({ length: 10 }, () => 401));
    const refused = await ask("wrong");
    expect([refused.status, refused.headers.get("retry-after"), refused.body.error.details.limit]).toEqual([
      429,
      "1",
      "addressRefusalsPerSecond",
    ]);
    expect((await upgrade(made.url, "1.2.3.4", "wrong")).status).toBe(429);
    expect((await ask(await token())).status).toBe(200);
    expect(
      (await made.call("GET", "/v1/runs", { as: "wrong", headers: { "x-forwarded-for": "4.3.2.1" } })).status,
    ).toBe(401);
  });

  it("do not change by a header that a stranger forges", async () => {
    const { url } = await house(
      { perAddress: { connectionsPerSecond: 1 } },
      { gateway: { trustedProxies: undefined } },
    );
    // Loopback is no stranger: neither limited, nor believed.
    expect(await statuses(30, () => upgrade(url, "1.2.3.4"))).not.toContain(429);
  });
});

describe("the limit of the whole server", () => {
  it("sends away who comes in the first rush, for as long as it lasts", async () => {
    const { url } = await house({ perServer: { connectionsPerSecond: 1 } });
    expect(await statuses(10, () => upgrade(url, undefined))).not.toContain(429);
    const refused = await upgrade(url, undefined);
    expect([refused.status, JSON.parse(refused.body).error.details.limit]).toEqual([429, "serverConnectionsPerSecond"]);
  });
});

describe("refusals", () => {
  it("are counted by limit", async () => {
    const runtime = { clock: still, tiers: { tiers: { enterprise: { runsPerSecond: 1 } } } };
    const made = await house({ perServer: { connectionsPerSecond: 1 } }, { runtime });
    await statuses(12, () => upgrade(made.url, undefined));
    const start = () => made.call("POST", "/v1/runs", { as: keys.both, body: { userId: "alice", agent: "a" } });
    expect((await statuses(12, start)).filter((status) => status === 429)).toHaveLength(2);
    const { text } = await made.call("GET", "/metrics");
    expect(text).toContain('runcast_limit_refusals_total{limit="serverConnectionsPerSecond"} 2');
    expect(text).toContain('runcast_limit_refusals_total{limit="runsPerSecond"} 2');
  });
});
