import { describe, expect, it } from "vitest";
import { asTenantId, asUserId, defaultTenant, streamKey } from "../../protocol/ids.ts";
import type { Principal, PublisherPrincipal, UserPrincipal } from "../../src/auth/principal.ts";
import type { RunRecord } from "../../src/log/event-log.ts";
import {
  mayTouch,
  nameOf,
  ownRun,
  requireRight,
  streamToRead,
  tenantForRun,
  tenantOf,
} from "../../src/runtime/gate.ts";

const acme = asTenantId("acme");
const other = asTenantId("other");
const [alice, bob] = [asUserId("alice"), asUserId("bob")];
const user: UserPrincipal = { kind: "user", userId: alice, tenantId: acme, expiresAtMs: 0 };
const key = (tenants: PublisherPrincipal["tenants"], ...rights: PublisherPrincipal["rights"]): PublisherPrincipal => ({
  kind: "publisher",
  name: "ci",
  tenants,
  rights,
});
const record = (tenantId: typeof acme, userId: typeof alice) =>
  ({ tenantId, stream: streamKey(tenantId, userId) }) as RunRecord;
const tag = (call: () => unknown): string => {
  try {
    call();
    return "passed";
  } catch (error) {
    return error instanceof Error && "_tag" in error ? `${String(error._tag)}: ${error.message}` : String(error);
  }
};

describe("the gate (L8)", () => {
  it("lets a key do what it has the right to, and names the right that it lacks", () => {
    expect(tag(() => requireRight(key("*", "publish"), "publish"))).toBe("passed");
    expect(tag(() => requireRight(key("*", "publish"), "admin"))).toBe(
      'Forbidden: this key does not have the right "admin"',
    );
  });

  it("takes a key's only tenant for the one that is meant, and `default` where there are several", () => {
    expect(tenantOf(key([acme]), undefined)).toBe(acme);
    expect(tenantOf(key("*"), undefined)).toBe(defaultTenant);
    expect(tenantOf(key([acme, defaultTenant]), undefined)).toBe(defaultTenant);
    expect(tenantOf(key([acme, other]), other)).toBe(other);
    expect(tenantOf(key("*"), other)).toBe(other);
    expect(tenantForRun(key([acme]), undefined)).toBe(acme);
    expect(tenantForRun(key("*"), undefined)).toBe(defaultTenant);
    expect(tenantForRun(key([acme, defaultTenant]), undefined)).toBe(defaultTenant);
    expect(tenantForRun(key([acme, other]), other)).toBe(other);
  });

  it("refuses a tenant that the key is not bound to; where a run is asked for, it looks empty", () => {
    const foreign = "Forbidden: this key is not bound to that tenant";
    expect(tag(() => tenantOf(key([acme]), other))).toBe(foreign);
    expect(tag(() => tenantOf(key([acme, other]), undefined))).toBe(foreign);
    expect(tag(() => tenantForRun(key([acme]), other))).toMatch(/^NotFound/);
    expect(tag(() => tenantForRun(key([acme, other]), undefined))).toMatch(/^NotFound/);
  });

  it("keeps a user in the tenant of the token, whatever is named", () => {
    expect(tenantForRun(user, other)).toBe(acme);
    expect(tenantForRun(user, undefined)).toBe(acme);
  });

  it("lets users touch their own runs, and keys those of their tenants", () => {
    const callers: readonly Principal[] = [user, key([acme]), key("*"), key([other])];
    const touched = (of: RunRecord) => callers.map((caller) => mayTouch(caller, of));
    expect(touched(record(acme, alice))).toEqual([true, true, true, false]);
    expect(touched(record(acme, bob))).toEqual([false, true, true, false]);
    expect(touched(record(other, alice))).toEqual([false, false, true, true]);
  });

  it("answers the same for a foreign run and for one that is not there", () => {
    expect(ownRun(user, record(acme, alice))).toEqual(record(acme, alice));
    const missing = tag(() => ownRun(user, undefined));
    expect(missing).toMatch(/^NotFound/);
    expect(tag(() => ownRun(user, record(acme, bob)))).toBe(missing);
  });

  it("lets users read their own stream only, named or not", () => {
    const own = streamKey(acme, alice);
    for (const whose of [{}, { userId: alice }, { tenantId: acme }, { userId: alice, tenantId: acme }])
      expect(streamToRead(user, whose)).toBe(own);
    for (const whose of [{ userId: bob }, { tenantId: other }, { userId: alice, tenantId: other }])
      expect(tag(() => streamToRead(user, whose))).toBe("Forbidden: users read their own things only");
  });

  it("lets admins read anybody's stream of their tenants, by name", () => {
    const admin = key([acme], "admin");
    expect(streamToRead(admin, { userId: bob })).toBe(streamKey(acme, bob));
    expect(streamToRead(key("*", "admin"), { userId: bob, tenantId: other })).toBe(streamKey(other, bob));
    expect(tag(() => streamToRead(admin, { userId: bob, tenantId: other }))).toMatch(/^Forbidden/);
    expect(tag(() => streamToRead(key([acme], "publish"), { userId: bob }))).toMatch(/^Forbidden/);
    expect(tag(() => streamToRead(admin, {}))).toBe("InvalidInput: is missing: an admin names the user");
  });

  it("says who asked as the events say it", () => {
    expect([nameOf(user), nameOf(key("*"))]).toEqual(["user", "key:ci"]);
  });
});
