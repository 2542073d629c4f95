import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StreamEvent } from "../../../protocol/event.ts";
import type { RunMemory, Said } from "../../../property-tests/support/legality.ts";
import { afterSaid, unborn } from "../../../property-tests/support/legality.ts";
import type { Started } from "../../support/black-box.ts";
import { BlackBox, refused } from "../../support/black-box.ts";
import { seededRandom } from "../../support/seeded-random.ts";

/** `RUNS=1000` for the figure of the verification page. */
const runCount = Number(process.env["RUNS"] ?? 40);
const callsPerRun = 30;
const maxBatch = 3;
/** On a machine with other work. */
const runPatienceMs = 3_000;
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const random = seededRandom(seed);

const upTo = (count: number): number => Math.floor(random() * count);
const oneOf = <Value>(values: readonly Value[]): Value => values[upTo(values.length)] as Value;

interface Keyed extends Said {
  readonly key: string;
}

/** Anything that a runner may say, in any state, about three calls and an approval. */
function anything(): Said {
  const toolCallId = oneOf(["a", "b", "c"]);
  return oneOf<() => Said>([
    () => ({ type: "agent_thinking", data: { thought: "hm", step: upTo(9) } }),
    () => ({ type: "agent_delta", data: { messageId: "m", channel: "text", text: "word " } }),
    () => ({ type: "tool_proposed", data: { toolCallId, toolName: "t" } }),
    () => ({ type: "tool_executing", data: { toolCallId, toolName: "t", attempt: 1 + upTo(2) } }),
    () => ({ type: "tool_executing", data: { toolCallId, toolName: "t" } }),
    () => ({ type: "tool_completed", data: { toolCallId, status: oneOf(["ok", "error", "denied"]) } }),
    () => ({ type: "tool_completed", data: { toolCallId, status: "ok" } }),
    () => ({ type: "agent_suspended", data: { reason: "r", approvals: [{ approvalId: "p" }] } }),
    () => ({ type: "agent_resumed", data: {} }),
    () => ({ type: "agent_resumed", data: {} }),
    () => ({ type: "agent_started", data: { agent: "again" } }),
    () => ({ type: "agent_interrupted", data: { reason: "shutdown" } }),
    () =>
      oneOf([
        { type: "agent_completed", data: {} },
        { type: "x.note", data: { n: upTo(9) } },
      ]),
    () =>
      oneOf([
        { type: "agent_failed", data: { error: { code: "c", message: "m" } } },
        { type: "x.note", data: {} },
      ]),
  ])();
}

/** The run as the table has it: what it remembers, and all that it accepted. */
interface Model {
  memory: RunMemory;
  readonly accepted: Keyed[];
}

/** Whether a stranger to the machine would allow it; only the supervisor may interrupt. */
const after = (memory: RunMemory, said: Said): RunMemory | undefined =>
  said.type === "agent_interrupted" ? undefined : afterSaid(memory, said);

const figures = { calls: 0, accepted: 0, duplicates: 0, illegal: 0, late: 0, conflicts: 0 };

/** One call, answered as the table says: nothing silent, nothing half. */
async function sayAnything(box: BlackBox, run: Started, model: Model, nextKey: () => string): Promise<void> {
  const fresh = Array.from({ length: 1 + upTo(maxBatch) }, (): Keyed => ({ ...anything(), key: nextKey() }));
  const known = random() < 0.2 ? oneOf([...model.accepted, undefined]) : undefined;
  const isForged = known !== undefined && random() < 0.4;
  const again = isForged ? { ...known, data: { ...known.data, forged: true } } : known;
  // Told again before, among or after what is new.
  const events = again === undefined ? fresh : fresh.toSpliced(upTo(fresh.length + 1), 0, again);
  const onlyKnown = again !== undefined && random() < 0.3;
  const answer = await box.say(run, onlyKnown ? [again] : events);
  figures.calls += 1;
  if (isForged) {
    // A run that is over may say so first when there is also something new.
    const isLate = model.memory.at === "over" && !onlyKnown;
    expect(refused(answer)).toMatchObject(
      isLate
        ? { code: expect.stringMatching(/^(key_conflict|run_ended)$/) }
        : { status: 409, code: "key_conflict", details: { key: known.key } },
    );
    figures.conflicts += 1;
    return;
  }
  if (onlyKnown) {
    expect([answer.status, answer.body.duplicates]).toEqual([200, 1]);
    figures.duplicates += 1;
    return;
  }
  if (model.memory.at === "over") {
    expect(refused(answer)).toMatchObject({ status: 410, code: "run_ended" });
    figures.late += 1;
    return;
  }
  let memory: RunMemory | undefined = model.memory;
  for (const [index, said] of events.entries()) {
    if (said === again) continue;
    const next: RunMemory | undefined = after(memory, said);
    if (next === undefined) {
      // It says where, what, and in which state; and the state is as it was.
      expect(refused(answer)).toMatchObject({
        status: 409,
        code: "illegal_transition",
        details: { index, event: said.type, state: expect.any(String) },
      });
      expectLegal(answer.body.error.details.legal, memory);
      figures.illegal += 1;
      return;
    }
    memory = next;
  }
  expect([answer.status, answer.body.duplicates], answer.text).toEqual([200, again === undefined ? 0 : 1]);
  figures.accepted += fresh.length;
  figures.duplicates += again === undefined ? 0 : 1;
  model.memory = memory;
  model.accepted.push(...fresh);
}

/** What it calls legal is what the table calls legal, for every event that does not depend on a call. */
function expectLegal(legal: readonly string[], memory: RunMemory): void {
  const probes: readonly Said[] = [
    { type: "agent_thinking", data: {} },
    { type: "agent_suspended", data: { reason: "r" } },
    { type: "agent_resumed", data: {} },
    { type: "agent_completed", data: {} },
    { type: "agent_failed", data: {} },
    { type: "agent_started", data: {} },
  ];
  for (const probe of probes)
    expect(legal.includes(probe.type), probe.type).toBe(afterSaid(memory, probe) !== undefined);
}

let box: BlackBox;
beforeAll(async () => {
  box = await BlackBox.start();
});
afterAll(() => box[Symbol.asyncDispose]());

describe(`the built server, told anything in any order (I3, I18, SEED=${seed})`, () => {
  it(
    `accepts what the table allows and refuses the rest aloud, in ${runCount} runs`,
    async () => {
      for (let number = 0; number < runCount; number += 1) {
        const strict = number % 2 === 1;
        const run = await box.start({ profile: strict ? "strict" : "standard" });
        const born = afterSaid(unborn(strict), { type: "agent_started", data: {} });
        if (born === undefined) throw new Error("a run must be able to begin");
        const model: Model = { memory: born, accepted: [] };
        let keys = 0;
        for (let call = 0; call < callsPerRun; call += 1)
          await sayAnything(box, run, model, () => `${run.runId}-${keys++}`);
        // The log holds exactly that, and what the server closed in its own name before an end.
        const held: readonly StreamEvent[] = await box.eventsOf(run);
        expect(held.map(({ seq }) => seq)).toEqual(held.map((_, index) => index + 1));
        const said = held.slice(1).filter(({ repaired }) => repaired === undefined);
        expect(said.map(({ type, data }) => ({ type, data }))).toEqual(
          model.accepted.map(({ type, data }) => ({ type, data })),
        );
      }
      // None of the answers was left out by chance.
      for (const [name, count] of Object.entries(figures)) expect(count, name).toBeGreaterThan(runCount / 20);
      console.info(`anything in any order: ${JSON.stringify(figures)}; illegal accepted 0, silent 0, overwritten 0`);
    },
    runCount * runPatienceMs,
  );
});
