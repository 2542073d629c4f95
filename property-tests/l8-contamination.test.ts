/**
 * L8: what a payload may say to its reader. Any JSON, with foreign, own and look-alike names at any depth, against a
 * model that walks it in a few lines of its own: which field is refused, under which path, and what is left of the rest.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asTenantId, asUserId } from "../protocol/ids.ts";
import { frameLimits, parseJson, parseTrusted } from "../protocol/json.ts";
import { Contaminated } from "../src/errors.ts";
import { isolated } from "../src/runtime/contamination.ts";
import { parameters } from "./support/parameters.ts";

const owner = { tenantId: asTenantId("t"), userId: asUserId("7") };
const words = ["userid", "user_id", "user-id", "recipientid", "recipient_id", "targetuserid", "target_user_id"];
const routes = new Set([
  ...words,
  "recipient-id",
  "target-user-id",
  "target-userid",
  "targetuser-id",
  "target_userid",
  "targetuser_id",
]);

type Step = string | number;
type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const isRoute = (key: string): boolean => routes.has(key.replaceAll("\u017f", "s").toLowerCase());
const isForeign = (value: Json): boolean =>
  Array.isArray(value)
    ? value.some(isForeign)
    : (typeof value === "string" || typeof value === "number") && String(value) !== owner.userId;

/** Of the first foreign field, in the order of the text. */
function foreignAt(value: Json): Step[] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const steps: [Step, Json][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  for (const [step, child] of steps) {
    if (typeof step === "string" && isRoute(step) && isForeign(child)) return [step];
    const deeper = foreignAt(child);
    if (deeper) return [step, ...deeper];
  }
  return undefined;
}

const without = (value: Json): Json => {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(without);
  const kept = Object.entries(value).filter(([key, child]) => !(isRoute(key) && isForeign(child)));
  return Object.fromEntries(kept.map(([key, child]) => [key, without(child)]));
};

/** The steps that a path names: the inverse of how it is written. */
function stepsOf(path: string): Step[] {
  const steps: Step[] = [];
  for (let rest = path; rest !== ""; ) {
    const [all, index, quoted, word] = /^(?:\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|\.?([^.[\]"]+))/.exec(rest) ?? [];
    if (all === undefined) throw new Error(`no path: ${path}`);
    steps.push(
      index !== undefined ? Number(index) : quoted !== undefined ? (JSON.parse(quoted) as string) : (word ?? ""),
    );
    rest = rest.slice(all.length);
  }
  return steps;
}

const spelled = fc
  .tuple(fc.constantFrom(...words), fc.infiniteStream(fc.boolean()))
  .map(([word, up]) => [...word].map((letter) => (up.next().value ? letter.toUpperCase() : letter)).join(""));
const key = fc.oneof(
  { weight: 3, arbitrary: spelled },
  {
    weight: 2,
    arbitrary: fc.constantFrom("userId", "recipient_id", "targetUserId", "u\u017ferId", "us\u0435rId", "userId "),
  },
  { weight: 2, arbitrary: fc.constantFrom("senderId", "creatorId", "ownerId", "sender_id", "owner_id", "user", "id") },
  {
    weight: 2,
    arbitrary: fc.constantFrom("a.b", "[0]", '"', "\\", "", "0", "10", "__proto__", "constructor", "toString"),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
);
const leaf: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json[]>("7", 7, "bob", 8, "", "07", null, true, "userId", 7.5, '"userId":"bob"'),
  fc.string({ unit: "binary" }),
);
const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { weight: 3, arbitrary: leaf },
    { weight: 2, arbitrary: fc.array(tie("value"), { maxLength: 4 }) },
    {
      weight: 4,
      arbitrary: fc.array(fc.tuple(key, tie("value")), { maxLength: 5 }).map((pairs) => Object.fromEntries(pairs)),
    },
  ),
})).value;

describe("L8 contamination", () => {
  const reached = { foreign: 0, deep: 0, clean: 0 };
  it("is found wherever it stands, named by its place, and taken out alone", () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = JSON.stringify(value);
        const said = parseTrusted(text) as Json;
        let counted = 0;
        const count = (): void => void (counted += 1);
        const refused = { contaminationOf: () => "refuse" as const, countContaminated: count };
        const expected = foreignAt(said);
        if (expected === undefined) {
          reached.clean += 1;
          expect(isolated(text, owner, () => "", refused)).toBe(text);
          expect(counted).toBe(0);
          return;
        }
        reached.foreign += 1;
        if (expected.length > 2) reached.deep += 1;
        let found: unknown;
        try {
          isolated(text, owner, () => "", refused);
        } catch (cause) {
          found = cause;
        }
        expect(found).toBeInstanceOf(Contaminated);
        expect(stepsOf((found as Contaminated).path)).toEqual(expected);
        expect(counted).toBe(1);
        const kept = isolated(text, owner, () => "", { ...refused, contaminationOf: () => "sanitize" });
        expect(kept).toBe(JSON.stringify(without(said)));
        expect(foreignAt(parseTrusted(kept) as Json)).toBeUndefined();
        expect(isolated(kept, owner, () => "", refused)).toBe(kept);
      }),
      parameters(4_000),
    );
    expect(Math.min(reached.foreign, reached.deep, reached.clean), JSON.stringify(reached)).toBeGreaterThan(100);
  });

  it("does not hide behind a key that comes twice, an escape or a space: what is stored is what was looked at", () => {
    const spellings = ['"userId"', '"\\u0075serId"', '"user\\u0049d"', '"use\\u0072_i\\u0064"'];
    fc.assert(
      fc.property(fc.constantFrom(...spellings), fc.constantFrom(...spellings), fc.boolean(), (first, second, last) => {
        const [one, two] = last ? ["7", "bob"] : ["bob", "7"];
        const parsed = parseJson(`{ ${first} :"${one}", ${second}\n: "${two}"}`, frameLimits);
        if (!parsed.ok) throw new Error(parsed.issue.message);
        const text = JSON.stringify(parsed.value);
        const policy = { contaminationOf: () => "refuse" as const, countContaminated: () => {} } as const;
        const look = () => isolated(text, owner, () => "", policy);
        if (text.includes("bob")) expect(look).toThrow(Contaminated);
        else expect(look()).toBe(text);
      }),
      parameters(200),
    );
  });
});
