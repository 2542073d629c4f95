import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assign, createActor, createMachine, setup } from "xstate";
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
    expect(() => compiled(supervisorMachine)).toThrow("machine supervisor cannot be compiled: its root reacts");
  });

  it("steps by its own table, and is stopped as any actor is", () => {
    expect(compiledRun.transition).not.toBe(runMachine.transition);
    expect(compiledRun.getInitialSnapshot).not.toBe(runMachine.getInitialSnapshot);
    const actor = createActor(compiledRun, { input: {} }).start();
    actor.stop();
    expect(actor.getSnapshot().status).toBe("stopped");
  });
});

describe("compiled", () => {
  const small = setup({
    types: { context: {} as { readonly count: number }, events: {} as { readonly type: "go"; readonly by: number } },
    guards: { isOpen: () => true },
    actions: { nothing: () => {}, add: assign({ count: (_, params: { readonly by: number }) => params.by }) },
  });
  const flat = { id: "small", context: { count: 0 }, initial: "on" } as const;

  it.each([
    ["a state that is entered with an action", { ...flat, states: { on: { entry: "nothing" } } }, "state on does more"],
    ["a state that is left with an action", { ...flat, states: { on: { exit: "nothing" } } }, "state on does more"],
    [
      "a state that does both",
      { ...flat, states: { on: { entry: "nothing", exit: "nothing" } } },
      "state on does more than react",
    ],
    ["a state with a timer", { ...flat, states: { on: { after: { 10: "on" } } } }, "state on does more"],
    ["a state that is passed at once", { ...flat, states: { on: { always: { guard: "isOpen" } } } }, "state on does"],
    ["a state that calls somebody", { ...flat, states: { on: { invoke: { src: "who" } } } }, "state on does more"],
    [
      "states within a state",
      { ...flat, states: { on: { initial: "a", states: { a: {} } } } },
      "state on is not atomic",
    ],
    [
      "a guard that nobody wrote",
      { ...flat, states: { on: { on: { go: { guard: "no" } } } } },
      "guard no is not a function",
    ],
    [
      "an effect",
      { ...flat, states: { on: { on: { go: { actions: "nothing" } } } } },
      "action nothing does more than assign",
    ],
    [
      "an action that nobody wrote",
      { ...flat, states: { on: { on: { go: { actions: "no" } } } } },
      "action no does more",
    ],
    [
      "params that are computed",
      { ...flat, states: { on: { on: { go: { actions: { type: "add", params: () => ({ by: 1 }) } } } } } },
      "params are computed",
    ],
    [
      "an action that stands in the config",
      { ...flat, states: { on: { on: { go: { actions: () => {} } } } } },
      "params are computed",
    ],
  ])("refuses %s, and says so", (_, config, why) => {
    const machine = small.createMachine(config as Parameters<typeof small.createMachine>[0]);
    expect(() => compiled(machine)).toThrow(`machine small cannot be compiled: ${why}`);
  });

  it("refuses a machine without states", () => {
    expect(() => compiled(createMachine({ id: "bare" }))).toThrow("machine bare cannot be compiled: it has no initial");
  });

  it("takes a machine without context, and stays where nothing leads on", () => {
    const light = compiled(
      createMachine({ id: "light", initial: "off", states: { off: { on: { go: "on" } }, on: {} } }),
    );
    const actor = createActor(light).start();
    expect(actor.getSnapshot().context).toEqual({});
    const off = actor.getSnapshot();
    actor.send({ type: "other" });
    expect(actor.getSnapshot()).toBe(off);
    actor.send({ type: "go" });
    expect(actor.getSnapshot().value).toBe("on");
  });

  it("gives an action its params", () => {
    const on = { on: { go: { actions: { type: "add", params: { by: 3 } } } } } as const;
    const actor = createActor(compiled(small.createMachine({ ...flat, states: { on } }))).start();
    actor.send({ type: "go", by: 1 });
    expect(actor.getSnapshot().context.count).toBe(3);
  });
});
