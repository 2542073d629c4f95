/** The conformance suite for runners: it finds what was planted, and has nothing to say against ours. */
import { env } from "node:process";
import { describe, expect, it } from "vitest";
import { runAiSdk } from "../../src/runners/ai-sdk.ts";
import { calm, examineRunner, playRunner, type Runner } from "../../src/testing/index.ts";
import { partOf } from "../machines/ai-sdk-recording.ts";
import { type Recording, recordings } from "../machines/recorded-run.ts";
import { badRunners, goodRunners } from "./sample-runners.ts";

const schedules = 60;
/** Of runners that are to be found good. `KIT_SCHEDULES` searches longer. */
const goodSchedules = Number(env["KIT_SCHEDULES"] ?? 100);
const minutesMs = 600_000;

/** A recorded stream as the AI SDK plays it: parts and hooks at the schedule's pace, and it stops when it is told to. */
function recorded({ signals }: Recording): Runner {
  return (run, stage) =>
    runAiSdk(
      run,
      ({ abortSignal, onToolExecutionStart, onToolExecutionEnd }) => ({
        stream: (async function* () {
          for (const signal of signals) {
            await stage.pause("the next part");
            if (abortSignal.aborted) return yield { type: "abort" };
            const { id = "", name = "tool", t } = signal;
            const toolCall = { toolCallId: id, toolName: name };
            const type = typeof signal["out"] === "string" ? signal["out"] : "tool-result";
            if (signal.k === "part") yield partOf(signal);
            else if (t === "onToolExecutionStart") await onToolExecutionStart({ toolCall });
            else if (t === "onToolExecutionEnd") onToolExecutionEnd({ toolCall, toolOutput: { type } });
            else if (signal.k === "end" && typeof signal["err"] === "string") throw new Error(signal["err"]);
          }
        })(),
      }),
      { clock: stage.clock },
    );
}

describe("the examination of a runner", () => {
  it.each(badRunners.map((sample) => [sample.name, sample] as const))("finds the one that %s", async (_, sample) => {
    const { runner, rule, also = [], type, isCalm, without, restarts } = sample;
    if (isCalm) expect((await playRunner(runner, calm, { restarts })).findings).toEqual([]);
    const { ok, findings, text } = await examineRunner(runner, { schedules, without, restarts });
    expect(ok).toBe(false);
    const found = findings.find((finding) => finding.rule === rule && (!type || finding.event?.type === type));
    expect(found, text).toBeDefined();
    if (rule === "illegal-order") expect(found?.legal).toContain("agent_failed");
    // It is shown by the schedule that is reported, and nothing is said that is not so.
    const shown = await playRunner(runner, found?.schedule, { restarts });
    expect(shown.findings.map((finding) => finding.rule)).toContain(rule);
    const others = findings.map((finding) => finding.rule).filter((other) => other !== rule);
    expect(
      others.filter((other) => !also.includes(other)),
      text,
    ).toEqual([]);
  });

  it.each(goodRunners.map((sample) => [sample.name, sample] as const))(
    "has nothing against %s",
    async (_, sample) => {
      const { ok, text, played } = await examineRunner(sample.runner, {
        schedules: goodSchedules,
        restarts: sample.restarts,
      });
      expect(text).toBe(`ok: nothing wrong in ${played} schedules`);
      expect(ok).toBe(true);
    },
    minutesMs,
  );

  const whole = recordings.filter(({ runner, expectedEnd }) => runner === "ai" && expectedEnd !== "suspended");
  it.each(whole.map((recording) => [recording.scenario, recording] as const))(
    "has nothing against the AI SDK adapter over: %s",
    async (_, recording) => {
      const { text, ok } = await examineRunner(recorded(recording), { schedules: Math.ceil(goodSchedules * 0.4) });
      expect(ok, text).toBe(true);
    },
    minutesMs,
  );
});
