/** The order of an agent's events as a property test: whatever finishes first, fails, is stopped or is lost. */
import * as fc from "fast-check";
import { examineRunner, playRunner } from "runcast/testing";
import { schedules } from "runcast/testing/fast-check";
import { describe, expect, it } from "vitest";
import * as after from "./after.ts";
import * as before from "./before.ts";

const search: before.Search = { flights: async () => "LH 864", hotels: async () => "Hotel Bristol" };

describe("the trip planner", () => {
  it("says nothing illegal under any schedule", async () => {
    const report = await examineRunner((run) => after.planTrip(run, search));
    expect(report.ok, report.text).toBe(true);
  });

  it("answers only when both searches are over", async () => {
    const everySchedule = fc.asyncProperty(schedules(), async (schedule) => {
      const { events, findings } = await playRunner((run) => after.planTrip(run, search), schedule);
      expect(findings).toEqual([]);
      const types = events.map(({ type }) => type);
      const beforeAnswer = types.slice(0, Math.max(0, types.indexOf("agent_message")));
      expect([0, 2]).toContain(beforeAnswer.filter((type) => type === "tool_completed").length);
    });
    await fc.assert(everySchedule, { numRuns: 50 });
  });

  it("lost the second search's result before, when the first one failed", async () => {
    const { ok, findings } = await examineRunner((run) => before.planTrip(run, search));
    expect(ok).toBe(false);
    const outlived = findings.find(({ rule }) => rule === "tool-outlives-run");
    expect(outlived?.event?.type).toBe("tool_completed");
    expect(outlived?.schedule.twists).toEqual([{ kind: "toolFails", at: 1 }]);
  });
});
