import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonLimits } from "../../protocol/json.ts";
import { frameLimits, parseJson } from "../../protocol/json.ts";

const limits: JsonLimits = { maxChars: 200, maxDepth: 4, maxKeys: 5 };
const why = (text: string, within = limits): string => {
  const decoded = parseJson(text, within);
  return decoded.ok ? "ok" : `${decoded.issue.path} ${decoded.issue.message}`.trim();
};

describe("bounded JSON", () => {
  it("gives the value that JSON gives", () => {
    // Keys that could reach a prototype have a test of their own.
    const text = fc.json({ maxDepth: 3 }).filter((json) => !/__proto__|constructor/.test(json));
    fc.assert(
      fc.property(text, (json) => {
        expect(parseJson(json, { maxChars: 1e6, maxDepth: 32, maxKeys: 1e6 })).toEqual({
          ok: true,
          value: JSON.parse(json),
        });
      }),
    );
  });

  it("lets what is exactly at a limit pass, and refuses one more", () => {
    expect(why("[[[[]]]]")).toBe("ok");
    expect(why("[[[[[]]]]]")).toBe("is nested deeper than 4 levels");
    expect(why(`"${"a".repeat(198)}"`)).toBe("ok");
    expect(why(`"${"a".repeat(199)}"`)).toBe("is longer than 200 characters");
    expect(why('{"a":1,"b":1,"c":1,"d":1,"e":1}')).toBe("ok");
    expect(why('{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}')).toBe("has more than 5 keys");
  });

  it("counts no bracket and no colon inside a string", () => {
    expect(why(String.raw`["[[[[[[{{{::::::\"[[[["]`)).toBe("ok");
  });

  it.each(["", "{", '{"a":}', "undefined", "{'a':1}", "[1,]"])("says that %j is not JSON", (text) => {
    expect(why(text)).toBe("is not JSON");
  });

  it("refuses what JSON.parse could not survive, before it is parsed", () => {
    expect(why("[".repeat(60_000), frameLimits)).toBe("is nested deeper than 32 levels");
  });

  it.each([
    ['{"__proto__":{"admin":true}}', "__proto__ is a key that is not allowed"],
    [String.raw`{"a":[{"\u005f_proto__":1}]}`, "__proto__ is a key that is not allowed"],
    ['{"constructor":{"prototype":{"x":1}}}', "constructor.prototype is a key that is not allowed"],
  ])("lets no key reach a prototype: %s", (text, expected) => {
    expect(why(text)).toBe(expected);
    expect(Object.prototype).not.toHaveProperty("admin");
  });

  it("keeps a key that only looks dangerous", () => {
    expect(why('{"constructor":"Acme Ltd"}')).toBe("ok");
  });
});
