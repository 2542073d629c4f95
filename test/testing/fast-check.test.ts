/** The arbitraries for users, held against a judge that is not the machine: the tests' own table. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EventInput } from "../../protocol/event.ts";
import { afterSaid, type RunMemory, type Said, unborn } from "../../property-tests/support/legality.ts";
import { legalWords, nearLegalWords, schedules } from "../../src/testing/fast-check.ts";
import { examineEvents, playRunner } from "../../src/testing/index.ts";

const profiles = ["standard", "strict"] as const;

/** Index of the first event that the table refuses; -1 when there is none. */
function refusedAt(events: readonly EventInput[], isStrict: boolean): number {
  let run: RunMemory | undefined = unborn(isStrict);
  return events.findIndex((event) => {
    run = run && afterSaid(run, event as Said);
    return run === undefined;
  });
}

describe.each(profiles)("words of a %s run", (profile) => {
  const isStrict = profile === "strict";

  it("are legal by the table, end, and are examined as such", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(legalWords({ profile }), (word) => {
        for (const { type } of word) seen.add(type);
        expect(refusedAt(word, isStrict)).toBe(-1);
        expect(word.at(-1)?.type).toMatch(/^agent_(completed|failed|cancelled)$/);
        expect(examineEvents(word, { profile }).text).toBe(`ok: ${word.length} events, each legal where it stands`);
      }),
      { numRuns: 300, seed: 7 },
    );
    expect([...seen]).toEqual(expect.arrayContaining(["tool_completed", "agent_resumed", "agent_suspended"]));
  });

  it("are refused where the word says when they are nearly legal", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(nearLegalWords({ profile }), ({ events, at, mutation }) => {
        seen.add(mutation);
        expect(refusedAt(events, isStrict)).toBe(at);
        const { ok, findings } = examineEvents(events, { profile });
        expect(ok).toBe(false);
        expect(findings[0]).toMatchObject({ event: { type: events[at]?.type }, before: events.slice(0, at) });
      }),
      { numRuns: 300, seed: 7 },
    );
    expect(seen.size).toBe(4);
  });

  it("are told the same by the door: a runner that says a nearly legal word is found out at that event", async () => {
    await fc.assert(
      fc.asyncProperty(nearLegalWords({ profile, maxEvents: 8 }), async ({ events, at }) => {
        const { findings } = await playRunner(
          async (run) => {
            for (const event of events.slice(1, at + 1)) await run.emit(event);
          },
          undefined,
          { profile },
        );
        expect(findings[0]).toMatchObject({ event: { type: events[at]?.type }, before: events.slice(1, at) });
      }),
      { numRuns: 30, seed: 7 },
    );
  });
});

describe("schedules", () => {
  it("play a good runner without a finding, and shrink to a bad runner's plainest way", async () => {
    const both = (settle: "all" | "allSettled") => {
      const runner: Parameters<typeof playRunner>[0] = async (run) => {
        const tools = [run.tool({ toolName: "a" }, () => 1), run.tool({ toolName: "b" }, () => 2)];
        await (settle === "all" ? Promise.all(tools) : Promise.allSettled(tools)).catch(() => {});
        await (run.signal.aborted ? run.cancelled() : run.completed()).catch(() =>
          run.failed({ code: "x", message: "x" }),
        );
      };
      return fc.asyncProperty(schedules(), async (schedule) => {
        expect((await playRunner(runner, schedule)).findings).toEqual([]);
      });
    };
    await fc.assert(both("allSettled"), { numRuns: 60, seed: 3 });
    const { counterexample } = await fc.check(both("all"), { numRuns: 60, seed: 3 });
    expect(counterexample?.[0].twists).toEqual([{ kind: "toolFails", at: 1 }]);
    expect(counterexample?.[0].choices).toEqual([]);
  });
});
