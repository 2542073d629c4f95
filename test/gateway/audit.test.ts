import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KeptAudit } from "../support/kept-audit.ts";
import type { House } from "./support/house.ts";
import { keys, openHouse, token } from "./support/house.ts";

let house: House;
let audit: KeptAudit;
beforeEach(async () => {
  audit = new KeptAudit();
  house = await openHouse({ runtime: { auditLog: audit } });
  audit.record({ action: "flags_changed", by: "key:admin" });
  audit.record({ action: "auth_completed", tenantId: "default", userId: "alice" });
  audit.record({ action: "auth_completed", tenantId: "acme", userId: "alice" });
  audit.record({ action: "auth_completed", tenantId: "acme", userId: "bob" });
  audit.record({ action: "auth_completed", tenantId: "globex", userId: "carol" });
});
afterEach(() => house.close());

const numbers = async (query: string, as: string): Promise<readonly number[]> =>
  (await house.call("GET", `/v1/audit${query}`, { as })).body.entries.map(({ n }: { n: number }) => n);

describe("GET /v1/audit", () => {
  it("answers entries ascending, in pages", async () => {
    const first = await house.call("GET", "/v1/audit?limit=2", { as: keys.admin });
    expect(first.body.isKept).toBe(true);
    expect(first.body.entries.map(({ n }: { n: number }) => n)).toEqual([1, 2]);
    expect(first.body.entries[0]).toMatchObject({ action: "flags_changed", by: "key:admin" });
    expect(first.body.next).toBe(2);
    expect((await house.call("GET", "/v1/audit?after=4", { as: keys.admin })).body).toMatchObject({ next: null });
    expect(await numbers("?after=4", keys.admin)).toEqual([5]);
  });

  it("shows a key that is bound to tenants what concerns them, and nothing else", async () => {
    expect(await numbers("", keys.acme)).toEqual([3, 4]);
    expect(await numbers("", keys.two)).toEqual([3, 4, 5]);
    expect(await numbers("?tenantId=globex", keys.two)).toEqual([5]);
    expect((await house.call("GET", "/v1/audit?tenantId=default", { as: keys.acme })).status).toBe(403);
  });

  it("is narrowed to a user", async () => {
    expect(await numbers("?userId=alice", keys.admin)).toEqual([2, 3]);
    expect(await numbers("?userId=alice&tenantId=acme", keys.admin)).toEqual([3]);
  });

  it("is for admins only", async () => {
    expect((await house.call("GET", "/v1/audit", { as: keys.publisher })).status).toBe(403);
    expect((await house.call("GET", "/v1/audit", { as: await token("alice") })).status).toBe(403);
    expect((await house.call("GET", "/v1/audit")).status).toBe(401);
  });

  it("says where none is kept", async () => {
    const bare = await openHouse();
    expect((await bare.call("GET", "/v1/audit", { as: keys.admin })).body).toEqual({
      entries: [],
      next: null,
      isKept: false,
    });
    await bare.close();
  });
});
