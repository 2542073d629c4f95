/**
 * L8: two users' observable traces are independent. What we see, byte for byte and step by step, is the same whatever they
 * do, and if they are not there at all: in one tenant, and in two whose users, runs and approvals have the same names.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { differenceOf, outcomeOf, scripts, told } from "./support/interference.ts";
import { parameters } from "./support/parameters.ts";

describe("L8 isolation", () => {
  it("shows nobody what others do: the same trace whatever they do", async () => {
    const reached = { events: 0, guesses: 0, answers: 0, differentOthers: 0 };
    await fc.assert(
      fc.asyncProperty(scripts, async (script) => {
        const { traces, events, guesses } = await outcomeOf(script);
        expect(differenceOf(traces), told(script)).toBeUndefined();
        reached.events += events;
        reached.guesses += guesses;
        reached.answers += traces[0].split("\n").length;
        reached.differentOthers += script.theirs[0].length === script.theirs[1].length ? 0 : 1;
      }),
      parameters(80),
    );
    // Worlds in which nothing comes and nothing is guessed would prove nothing.
    expect(reached.events, JSON.stringify(reached)).toBeGreaterThan(200);
    expect(reached.guesses, JSON.stringify(reached)).toBeGreaterThan(40);
    expect(reached.differentOthers).toBeGreaterThan(20);
  });
});
