/** One play and its report: the same for the same schedule, and told so that a reader can act on it. */
import { describe, expect, it } from "vitest";
import { runAgent } from "../../src/runners/plain.ts";
import { examineEvents, examineRunner, playRunner, type Runner, scheduleText } from "../../src/testing/index.ts";
import { badRunners } from "./sample-runners.ts";

const sampleNamed = (name: string): Runner => {
  const sample = badRunners.find((each) => each.name === name);
  if (sample === undefined) throw new Error(`no sample ${name}`);
  return sample.runner;
};

describe("a play", () => {
  it("is the same for the same schedule, and an examination for the same seed", async () => {
    const runner = sampleNamed("takes the second tool to finish last");
    const schedule = { choices: [1, 2, 0, 3, 1, 1, 4], twists: [{ kind: "cancel", at: 3 }] } as const;
    const [first, second] = [await playRunner(runner, schedule), await playRunner(runner, schedule)];
    expect(second).toEqual(first);
    const examine = () => examineRunner(runner, { schedules: 40, seed: 5 });
    expect((await examine()).text).toBe((await examine()).text);
  });

  it("finds by order alone what only another order shows, and shrinks it to that", async () => {
    const { findings } = await examineRunner(sampleNamed("takes the second tool to finish last"), {
      schedules: 60,
      without: ["cancel", "toolFails", "logUnavailable", "logUnknown", "lapse", "takeover"],
    });
    const [finding] = findings;
    expect(finding).toMatchObject({ rule: "illegal-order", state: "toolExecuting", schedule: { twists: [] } });
    expect(finding?.seed).toBeGreaterThan(0);
    // The other tool answers first, and is written first.
    expect(finding?.schedule.choices.filter((choice) => choice > 0)).toEqual([1, 1]);
  });

  it("does not take the repetition of an end for a second one, when another has ended the run meanwhile", async () => {
    const runner: Runner = (run) =>
      runAgent(run, ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(0))));
    const twists = [
      { kind: "cancel", at: 1 },
      { kind: "lapse", at: 2 },
      { kind: "logUnavailable", at: 2 },
    ] as const;
    const { findings, events, said } = await playRunner(runner, { choices: [], twists });
    expect(said.map(({ type }) => type)).toEqual(["agent_cancelled", "agent_cancelled"]);
    expect(new Set(said.map(({ key }) => key)).size).toBe(1);
    expect(events.at(-1)).toMatchObject({ type: "agent_cancelled" });
    expect(findings).toEqual([]);
  });

  it("does not blame a runner that waits for a person when nobody answers and the run is ended for it", async () => {
    const ask: Runner = (run) => run.suspended({ reason: "pay?", approvals: [{ approvalId: "pay" }] });
    const twists = [
      { kind: "cancel", at: 1 },
      { kind: "expire", at: 1 },
    ] as const;
    const { findings, events } = await playRunner(ask, { choices: [], twists });
    expect(events.at(-1)).toMatchObject({ type: "agent_cancelled", data: { by: "key:app" } });
    expect(findings).toEqual([]);
  });

  it("takes events from a runner that only gives them", async () => {
    const played = await playRunner(async function* (_, { pause }) {
      yield { type: "agent_thinking", data: {} };
      await pause();
      yield { type: "agent_completed", data: { output: 1 } };
    });
    expect(played.findings).toEqual([]);
    expect(played.events.map(({ type }) => type)).toEqual(["agent_started", "agent_thinking", "agent_completed"]);
  });

  it("gives the runner its input, its profile and the words of the people it asked", async () => {
    const decided: unknown[] = [];
    const runner: Runner<{ readonly what: string }> = async (run, { input, attempt, decisions }) => {
      if (attempt === 1)
        return run.suspended({ reason: input.what, approvals: [{ approvalId: "one" }, { approvalId: "two" }] });
      decided.push(decisions);
      await run.resumed();
      await run.thinking();
      return run.completed();
    };
    const twists = [
      { kind: "deny", at: 1 },
      { kind: "expire", at: 2 },
    ] as const;
    const { events, findings } = await playRunner(
      runner,
      { choices: [], twists },
      { input: { what: "pay?" }, profile: "strict" },
    );
    expect(findings).toEqual([]);
    expect(decided).toEqual([{ one: "deny", two: "expired" }]);
    expect(events.map(({ type }) => type)).toEqual([
      "agent_started",
      "agent_suspended",
      "approval_resolved",
      "agent_resumed",
      "agent_thinking",
      "agent_completed",
    ]);
    expect(events[0]?.data).toMatchObject({ input: { what: "pay?" } });
    const { findings: strict } = await playRunner((run) => run.completed(), undefined, { profile: "strict" });
    expect(strict[0]?.message).toContain("a strict run thinks before it completes");
  });

  it("waits in real time for what the schedule does not know of", async () => {
    const { findings } = await playRunner(async (run) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      await run.completed();
    });
    expect(findings).toEqual([]);
  });

  it("gives the test runner its own ear for rejections back", async () => {
    const before = process.listeners("unhandledRejection");
    await playRunner((run) => run.completed());
    expect(process.listeners("unhandledRejection")).toEqual(before);
  });
});

describe("a report", () => {
  it("says what was illegal, where, what would have been legal, and how to get there", async () => {
    const { text } = await examineRunner(sampleNamed("forgets the terminal when a tool throws"), {
      schedules: 20,
      without: ["cancel", "logUnavailable", "logUnknown", "lapse", "takeover"],
    });
    expect(text).toContain("1. left-open: the runner has rejected with search fails on purpose");
    expect(text).toContain("schedule: tool execution 1 fails; in order");
    expect(text).toContain("     search (tool 1) fails\n");
    const open = await examineRunner(sampleNamed("completes with an open tool"), { schedules: 1 });
    expect(open.text).toContain(
      '   event: {"type":"agent_completed","data":{}}\n   state: toolExecuting\n   legal: agent_thinking,',
    );
  });

  it("leaves out what is allowed", async () => {
    const runner = sampleNamed("ignores cancellation, event after event");
    const without = ["logUnavailable", "logUnknown", "lapse", "takeover"] as const;
    expect((await examineRunner(runner, { schedules: 20, without })).ok).toBe(false);
    expect((await examineRunner(runner, { schedules: 20, without, allow: ["ignores-cancel"] })).ok).toBe(true);
    expect((await examineRunner(runner, { schedules: 20, without, maxEventsAfterCancel: 10 })).ok).toBe(true);
  });

  it("judges a list of events as it stands, every one of them", () => {
    const { findings, text } = examineEvents([
      { type: "tool_completed", data: { toolCallId: "c", status: "ok" } },
      { type: "agent_thinking", data: {} },
      { type: "tool_executing", data: {} as never },
      { type: "agent_completed", data: {} },
      { type: "agent_delta", data: { messageId: "m", channel: "text", text: "late" } },
    ]);
    expect(findings.map(({ rule, event }) => `${rule} ${event?.type}`)).toEqual([
      "illegal-order tool_completed",
      "refused tool_executing",
      "after-end agent_delta",
    ]);
    expect(text).toContain("call c was never announced");
    expect(examineEvents([{ type: "agent_thinking", data: {} }]).findings[0]?.rule).toBe("left-open");
    expect(examineEvents([{ type: "agent_thinking", data: {} }], { isPart: true }).ok).toBe(true);
  });

  it("names a schedule in words", () => {
    expect(scheduleText({ choices: [0, 2], twists: [{ kind: "cancel", at: 3 }] })).toBe(
      "cancelled before step 3; step 2 takes no. 3",
    );
  });
});
