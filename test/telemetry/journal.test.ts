import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Contaminated, LogUnavailable, Unauthenticated } from "../../src/errors.ts";
import { causeText, framesOf } from "../../src/telemetry/cause-text.ts";
import { jsonJournal } from "../../src/telemetry/journal.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";

const written = (what: string, fields: Readonly<Record<string, unknown>>): string => {
  let text = "";
  jsonJournal(manualClock(), "debug", (line) => {
    text += line;
  }).write("error", what, fields);
  return text;
};

describe("a record (FAULTS 27, 41)", () => {
  it("is one line of JSON of at most 2 KB, whatever stands in it", () => {
    const nasty = fc.oneof(
      fc.string({ unit: "binary", maxLength: 3_000 }),
      fc.constantFrom(
        "\n",
        "\r\n",
        "\u001b[31mred",
        "\u009b31m",
        "\u2028",
        "\u202egnp",
        "%s%d",
        "\u0000",
        "\ud800",
        "x".repeat(1_048_576),
      ),
    );
    const field = fc.oneof(
      nasty,
      fc.array(nasty),
      fc.dictionary(nasty, nasty),
      fc.constantFrom(1n, Number.NaN, null, undefined, Symbol("s")),
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "route", "cause"), field), { maxLength: 5 }),
        (fields) => {
          const line = written("test.written", Object.fromEntries(fields));
          expect(line.endsWith("}\n")).toBe(true);
          expect(line.slice(0, -1)).not.toMatch(
            /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e\ud800-\udbff](?![\udc00-\udfff])/,
          );
          expect(Buffer.byteLength(line)).toBeLessThanOrEqual(2_048);
          expect(JSON.parse(line)).toMatchObject({ level: "error", what: "test.written" });
        },
      ),
      { numRuns: 500 },
    );
  });

  it("cuts each field, and keeps what is short as it was", () => {
    const record = JSON.parse(written("a", { long: "x".repeat(600), short: { a: [1, "ü"] }, none: null, flag: true }));
    expect(record).toMatchObject({ long: "x".repeat(500), short: { a: [1, "ü"] }, none: null, flag: true });
  });
});

const canary = "c4nary";
const wrapped = (): Error => {
  const error = new Error(`no such thing: {"secret":"${canary}"}\n    at ${canary} (file:///${canary}.js:1:1)`, {
    cause: new TypeError(canary, { cause: canary }),
  });
  error.name = `Error ${canary}`;
  return Object.assign(error, { code: canary, detail: canary });
};

describe("what was thrown (I19)", () => {
  it.each<[string, unknown]>([
    ["an error of somebody else", wrapped()],
    ["a text", canary],
    ["an object", { message: canary, toString: () => canary }],
    [
      "an error whose stack was written by hand",
      Object.assign(new Error("m"), { stack: `Error: ${canary}\n at ${canary}:1:1` }),
    ],
    [
      "what JSON.parse says",
      (() => {
        try {
          return JSON.parse(`[${canary}]`) as unknown;
        } catch (cause) {
          return cause;
        }
      })(),
    ],
    ["our own error about a payload", new Contaminated({ path: canary, message: canary })],
    [
      "our own error with a stranger's",
      new LogUnavailable({ message: "no answer", retryAfterMs: 1, cause: wrapped() }),
    ],
    ["an error that passes for ours", Object.assign(new Error(canary), { name: "LogUnavailable" })],
    [
      "a getter that throws",
      Object.defineProperty(new Error(canary), "name", {
        get: () => {
          throw new Error(canary);
        },
      }),
    ],
    ["a symbol", Symbol(canary)],
  ])("is told without its words: %s", (_, cause) => {
    expect(causeText(cause)).not.toContain(canary);
    expect(framesOf(cause).join()).not.toContain(canary);
    expect(written("test.failed", { cause, other: cause instanceof Error ? cause : 1 })).not.toContain(canary);
  });

  it("is told by name, code, place and cause, so that it can be found", () => {
    const failed = Object.assign(new RangeError("words"), { code: "ERR_SQLITE_ERROR", errcode: 10 });
    const text = causeText(new LogUnavailable({ message: "the log did not answer", retryAfterMs: 1, cause: failed }));
    expect(text).toMatch(
      /^LogUnavailable: the log did not answer; because RangeError ERR_SQLITE_ERROR 10 at .*journal\.test\.ts:\d+:\d+/,
    );
    expect(causeText(new Unauthenticated({ message: "it has expired" }))).toBe("Unauthenticated: it has expired");
    expect(causeText(undefined)).toBe("no error, but: undefined");
  });
});
