import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { ApiKeys, parseApiKeys } from "../../src/auth/api-key.ts";

const parse = (text: string) => Effect.runPromise(Effect.result(parseApiKeys(text)));
async function keysOf(text: string): Promise<ApiKeys> {
  return new ApiKeys(await Effect.runPromise(parseApiKeys(text)));
}

describe("the API keys setting", () => {
  it.each([
    ["a:k1", { tenants: "*", rights: ["publish"] }],
    ["a:k1:", { tenants: "*", rights: ["publish"] }],
    ["a:k1:*", { tenants: "*", rights: ["publish"] }],
    ["a:k1:acme", { tenants: ["acme"], rights: ["publish"] }],
    ["a:k1:acme,globex", { tenants: ["acme", "globex"], rights: ["publish"] }],
    ["a:k1:acme:admin", { tenants: ["acme"], rights: ["admin"] }],
    ["a:k1:*:publish+admin", { tenants: "*", rights: ["publish", "admin"] }],
    ["a:k1::admin+publish", { tenants: "*", rights: ["admin", "publish"] }],
    ["a:k1:publish+admin", { tenants: "*", rights: ["publish", "admin"] }],
    ["a:k1:admin", { tenants: "*", rights: ["admin"] }],
    ["a:k1:admin:publish", { tenants: ["admin"], rights: ["publish"] }],
    [" a : k1 : acme , globex ; ", { tenants: ["acme", "globex"], rights: ["publish"] }],
  ])("reads %s", async (text, bounds) => {
    expect((await keysOf(text)).find("k1")).toEqual({ kind: "publisher", name: "a", ...bounds });
  });

  it("reads several, and nothing at all", async () => {
    const keys = await keysOf("a:k1;b:k2:acme:admin;");
    expect(keys.find("k1")?.name).toBe("a");
    expect(keys.find("k2")?.name).toBe("b");
    expect((await keysOf("")).find("")).toBeUndefined();
  });

  it.each([
    ["a", "entry 1 needs a key"],
    ["a:", "entry 1 (a) needs a key"],
    [":k1", "entry 1 needs a name"],
    ["a b:k1", "entry 1 needs a name"],
    ["a:k 1", "entry 1 (a) needs a key"],
    ["a:k1;b:k2:acme:root", "entry 2 (b) has rights"],
    ["a:k1:acme:publish,admin", "entry 1 (a) has rights"],
    ["a:k1:acme:admin:more", "entry 1 (a) has more than four fields"],
    ["a:k1:acme,*", "entry 1 (a) has a tenant"],
    ["a:k1:acme,,globex", "entry 1 (a) has a tenant"],
    ["a:k1;a:k2", "entry 2 (a) has a name that another entry has"],
    ["a:k1;b:k1", "entry 2 (b) has a key that another entry has"],
  ])("refuses %s", async (text, why) => {
    const result = await parse(text);
    expect(result._tag === "Failure" && result.failure.message).toContain(why);
  });

  it("never shows a key in an error", async () => {
    const result = await parse("a:canary-key-1:acme:root");
    expect(result._tag === "Failure" && JSON.stringify(result.failure)).not.toContain("canary-key-1");
  });
});

describe("an API key", () => {
  it.each(["K1", "k1 ", "k", "k11", "", "k1\u0000"])("is not found as %j", async (presented) => {
    expect((await keysOf("a:k1")).find(presented)).toBeUndefined();
  });
});
