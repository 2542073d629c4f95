import { describe, expect, it } from "vitest";
import { checkFlags, flagNames } from "../../protocol/flags.ts";

const taken: readonly unknown[] = [
  {},
  { batching: "adaptive", performanceMode: true, contaminationPolicy: "sanitize" },
  { "fallbacks.email": false, "fallbacks.sms": null },
  { performanceMode: { default: false } },
  { performanceMode: { default: false, tenants: { acme: true }, percent: { value: true, percent: 12.5, seed: "b" } } },
  { batching: { default: "off", percent: { value: "on", percent: 0 } } },
];

const refused: readonly (readonly [string, unknown, string, string])[] = [
  ["no object", [], "", "batching, performanceMode"],
  ["a name that there is not", { dance: true }, "dance", "is no flag; known are batching, performanceMode"],
  ["a name of Object", { constructor: true }, "constructor", "is no flag"],
  ["a value of another flag", { batching: true }, "batching", '"off", "asked", "on" or "adaptive"'],
  ["contamination switched off", { contaminationPolicy: "off" }, "contaminationPolicy", '"refuse" or "sanitize"'],
  ["a switch as text", { "fallbacks.email": "yes" }, "fallbacks.email", "true or false"],
  ["a rule without a default", { performanceMode: { tenants: { acme: true } } }, "performanceMode", '"default"'],
  ["a rule with a field too many", { performanceMode: { default: true, users: {} } }, "performanceMode", "a rule {"],
  [
    "more than all",
    { performanceMode: { default: true, percent: { value: false, percent: 101 } } },
    "performanceMode",
    "0 to 100",
  ],
  ["half of a mistake", { performanceMode: true, batching: 5 }, "batching", "or null for the default"],
];

describe("a change of flags", () => {
  it.each(taken.map((patch) => [JSON.stringify(patch), patch] as const))("takes %s", (_, patch) => {
    expect(checkFlags(patch)).toEqual({ ok: true, value: patch });
  });

  it.each(refused)("refuses %s, and says what would be right", (_, patch, path, words) => {
    const checked = checkFlags(patch);
    expect(checked.ok ? undefined : checked.issue).toEqual({ path, message: expect.stringContaining(words) });
  });

  it("bounds how many tenants a rule names", () => {
    const tenants = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`t${at}`, true]));
    expect(checkFlags({ performanceMode: { default: false, tenants: tenants(1_000) } }).ok).toBe(true);
    expect(checkFlags({ performanceMode: { default: false, tenants: tenants(1_001) } }).ok).toBe(false);
  });

  it("knows the flags of the product", () => {
    expect(flagNames).toEqual([
      "batching",
      "performanceMode",
      "contaminationPolicy",
      ...["spool", "direct", "webPush", "webhook", "email", "sms", "alert"].map((rung) => `fallbacks.${rung}`),
    ]);
  });
});
