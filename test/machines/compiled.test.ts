import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createActor } from "xstate";
import { compiled } from "../../machines/compiled.ts";
import { connectionMachine } from "../../machines/connection.ts";
import type { RunFact } from "../../machines/run.ts";
import { runMachine } from "../../machines/run.ts";
import { supervisorMachine } from "../../machines/supervisor.ts";

const compiledRun = compiled(runMachine);
const id = fc.constantFrom("c1", "c2", "toString");
const approvalId = fc.constantFrom("a1", "a2");

const plainTypes = [
  "agent_thinking",
  "agent_completed",
  "agent_cancelled",
  "agent_interrupted",
  "agent_resumed",
  "cancel_requested",
  "cancel_refused",
] as const;

const fact: fc.Arbitrary<RunFact> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...plainTypes).map((type) => ({ type, data: {} }) as unknown as RunFact) },
  {
    weight: 4,
    arbitrary: fc.record({ toolCallId: id, attempt: fc.integer({ min: 1, max: 3 }) }).map(
      (data): RunFact => ({
        type: "tool_executing",
        data: { toolName: "t", ...data },
      }),
    ),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({ toolCallId: id, status: fc.constantFrom("ok" as const, "cancelled" as const) })
      .chain((data) =>
        fc
          .constantFrom(undefined, true as const)
          .map((repaired): RunFact => ({ type: "tool_completed", data, repaired })),
      ),
  },
  {
    weight: 2,
    arbitrary: id.map((toolCallId): RunFact => ({ type: "tool_proposed", data: { toolCallId, toolName: "t" } })),
  },
  {
    weight: 2,
    arbitrary: fc.array(approvalId).map(
      (ids): RunFact => ({
        type: "agent_suspended",
        data: { reason: "r", approvals: ids.map((each) => ({ approvalId: each })) },
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: approvalId.map(
      (each): RunFact => ({ type: "approval_resolved", data: { approvalId: each, decision: "deny" } }),
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom<RunFact>({ type: "child.started" }, { type: "child.ended" }) },
  {
    weight: 1,
    arbitrary: fc.constant<RunFact>({ type: "agent_failed", data: { error: { code: "c", message: "m" } } }),
  },
);

describe("the compiled run machine", () => {
  it.each(["standard", "strict"] as const)("steps as the interpreter does on any word (%s)", (profile) => {
    fc.assert(
      fc.property(fc.array(fact, { maxLength: 40 }), fact, (word, probe) => {
        const interpreted = createActor(runMachine, { input: { profile } }).start();
        const fast = createActor(compiledRun, { input: { profile } }).start();
        for (const each of [{ type: "agent_started", data: { agent: "a" } } as RunFact, ...word]) {
          const before = [interpreted.getSnapshot(), fast.getSnapshot()] as const;
          interpreted.send(each);
          fast.send(each);
          const after = [interpreted.getSnapshot(), fast.getSnapshot()] as const;
          expect(fast.getPersistedSnapshot()).toEqual(interpreted.getPersistedSnapshot());
          // An illegal event is told by the snapshot's identity.
          expect(after[1] === before[1]).toBe(after[0] === before[0]);
          expect([...after[1].tags]).toEqual([...after[0].tags]);
          expect(after[1].can(probe)).toBe(after[0].can(probe));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("goes on from a snapshot of the interpreter", () => {
    const interpreted = createActor(runMachine, { input: { profile: "strict" } }).start();
    interpreted.send({ type: "agent_started", data: { agent: "a" } });
    interpreted.send({ type: "agent_thinking", data: {} });
    const fast = createActor(compiledRun, { input: {}, snapshot: interpreted.getPersistedSnapshot() }).start();
    fast.send({ type: "agent_completed", data: {} });
    expect(fast.getSnapshot().value).toBe("completed");
  });

  it("is seen by an inspector as any actor is", () => {
    const seen: string[] = [];
    const actor = createActor(compiledRun, { input: {}, inspect: ({ type }) => void seen.push(type) }).start();
    actor.send({ type: "agent_started", data: { agent: "a" } });
    expect(seen).toContain("@xstate.event");
    expect(seen.at(-1)).toBe("@xstate.snapshot");
  });

  it("is not made of a machine that does more than assign", () => {
    expect(() => compiled(connectionMachine)).toThrow("machine connection cannot be compiled");
    expect(() => compiled(supervisorMachine)).toThrow("machine supervisor cannot be compiled");
  });
});
