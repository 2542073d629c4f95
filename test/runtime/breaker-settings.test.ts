import { describe, expect, it } from "vitest";
import { breakerNames, breakersShape, parseBreakers } from "../../src/runtime/breaker-settings.ts";

describe("the breakers' settings", () => {
  it("are failures, time and probes by name", () => {
    expect(parseBreakers("log:5/30000/2;email:3/60000/1")).toEqual({
      log: { maxFailures: 5, openMs: 30_000, probeCount: 2 },
      email: { maxFailures: 3, openMs: 60_000, probeCount: 1 },
    });
  });

  it("may be none, have spaces between them, or come as a list of the file", () => {
    expect(parseBreakers("")).toEqual({});
    expect(Object.keys(parseBreakers(" log:1/100/1 ; spool:1/100/1; ") ?? {})).toEqual(["log", "spool"]);
    expect(Object.keys(parseBreakers("log:1/100/1,sms:1/100/1") ?? {})).toEqual(["log", "sms"]);
  });

  it.each(breakerNames)("take %s for a name", (name) => {
    expect(parseBreakers(`${name}:1/100/1`)).toHaveProperty(name);
    expect(breakersShape).toContain(name);
  });

  it.each([
    "log",
    "log:5",
    "log:5/30000",
    "log:5/30000/2/1",
    "log:0/30000/2",
    "log:1001/30000/2",
    "log:5/99/2",
    "log:5/3600001/2",
    "log:5/30000/0",
    "log:5/30000/101",
    "log:5/3e4/2",
    "log:-1/30000/2",
    "telegraph:5/30000/2",
    "constructor:5/30000/2",
    "log:5/30000/2;log:5/30000/2",
  ])("are not %s", (text) => {
    expect(parseBreakers(text)).toBeUndefined();
  });
});
