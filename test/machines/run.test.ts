/** Every (state, event) pair of the run machine, in both profiles, against the oracle and against the docs page. */
import { isDeepStrictEqual } from "node:util";
import { readFileSync } from "node:fs";
import { createActor, transition } from "xstate";
import { describe, expect, it } from "vitest";
import { isLiving, isTerminal, legalTypes, needsMachine, openCalls, whyIllegal } from "../../machines/legality.ts";
import { type RunFact, type RunProfile, runMachine, type RunSnapshot } from "../../machines/run.ts";
import { lifecycleTypes, payloadTypes } from "../../protocol/event.ts";
import { freshPage } from "../../scripts/run-table.ts";
import { emptyModel, expected, type Model } from "./run-model.ts";

const profiles: readonly RunProfile[] = ["standard", "strict"];

const executing = (toolCallId: string, attempt?: number): RunFact => ({
  type: "tool_executing",
  data: { toolCallId, toolName: "tool", ...(attempt !== undefined && { attempt }) },
});
const completed = (toolCallId: string, status: "ok" | "denied" | "cancelled", repaired?: true): RunFact => ({
  type: "tool_completed",
  data: { toolCallId, status },
  ...(repaired && { repaired }),
});

/** Every event that matters, over two calls, one approval and one child. */
const alphabet: readonly RunFact[] = [
  { type: "agent_started", data: { agent: "a" } },
  { type: "agent_thinking", data: {} },
  executing("one"),
  executing("one", 2),
  executing("two"),
  completed("one", "ok"),
  completed("one", "denied"),
  completed("one", "cancelled", true),
  completed("two", "ok"),
  { type: "agent_completed", data: {} },
  { type: "agent_failed", data: { error: { code: "c", message: "m" } } },
  { type: "agent_cancelled", data: {} },
  { type: "agent_interrupted", data: { reason: "deadline" } },
  { type: "agent_suspended", data: { reason: "asks", approvals: [{ approvalId: "p" }] } },
  { type: "agent_suspended", data: { reason: "waits" } },
  { type: "agent_resumed", data: {} },
  { type: "approval_resolved", data: { approvalId: "p", decision: "approve" } },
  { type: "cancel_requested", data: {} },
  { type: "cancel_refused", data: {} },
  { type: "tool_proposed", data: { toolCallId: "one", toolName: "tool" } },
  { type: "child.started" },
  { type: "child.ended" },
];
/** Asked everywhere, followed nowhere: they would only make the world larger. */
const strangers: readonly RunFact[] = [
  executing("fresh"),
  completed("never-announced", "ok"),
  { type: "approval_resolved", data: { approvalId: "never-asked", decision: "deny" } },
];

interface Place {
  readonly model: Model;
  readonly snapshot: RunSnapshot;
}
interface Asked {
  readonly from: Place;
  readonly event: RunFact;
  readonly model: Model | undefined;
  readonly snapshot: RunSnapshot;
}

const start = (profile: RunProfile) => createActor(runMachine, { input: { profile } }).getSnapshot();
const maxChildren = 1;
/** Two runs that are over are the same place: whatever they remember, nothing is legal. */
const keyOf = ({ state, before, cancelling, children, calls, approvals }: Model): string =>
  ["completed", "failed", "cancelled", "interrupted"].includes(state)
    ? state
    : JSON.stringify([state, before, cancelling, children, calls["one"], calls["two"], approvals]);

/** Walks every place that the alphabet reaches, and asks every event there. */
function walk(profile: RunProfile): readonly Asked[] {
  const asked: Asked[] = [];
  const seen = new Set<string>();
  const queue: Place[] = [{ model: emptyModel, snapshot: start(profile) }];
  for (let from = queue.pop(); from !== undefined; from = queue.pop()) {
    for (const event of [...alphabet, ...strangers]) {
      const model = expected(profile, from.model, event);
      const [snapshot] = transition(runMachine, from.snapshot, event);
      asked.push({ from, event, model, snapshot });
      if (model === undefined || strangers.includes(event) || model.children > maxChildren) continue;
      const key = keyOf(model);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push({ model, snapshot });
    }
  }
  return asked;
}

const walks = new Map(profiles.map((profile) => [profile, walk(profile)]));
const asked = (profile: RunProfile): readonly Asked[] => walks.get(profile) ?? [];
const said = ({ from, event }: Asked): string =>
  `${from.snapshot.value} + ${JSON.stringify(event)} after ${keyOf(from.model)}`;

describe.each(profiles)("run machine (%s)", (profile) => {
  it("goes where the contract says, and nowhere else", () => {
    const wrong = asked(profile).filter(({ from, model, snapshot }) => snapshot.value !== (model ?? from.model).state);
    expect(wrong.map(said)).toEqual([]);
  });

  it("keeps the very same snapshot for an illegal event, and never for a legal one", () => {
    const wrong = asked(profile).filter(({ from, event, model, snapshot }) => {
      const isLegal = model !== undefined;
      return (snapshot !== from.snapshot) !== isLegal || from.snapshot.can(event) !== isLegal;
    });
    expect(wrong.map(said)).toEqual([]);
  });

  it("knows the open calls, and whether somebody waits for it to stop", () => {
    for (const { model, snapshot } of asked(profile)) {
      if (model === undefined || isTerminal(snapshot)) continue;
      const open = Object.entries(model.calls).filter(([, { is }]) => is !== "closed");
      expect(Object.fromEntries(openCalls(snapshot).map((call) => [call.toolCallId, call.status]))).toEqual(
        Object.fromEntries(open.map(([id, { is }]) => [id, is])),
      );
      expect(snapshot.context.open).toBe(open.filter(([, { is }]) => is === "executing").length);
      expect(snapshot.context.cancel).toBe(model.cancelling);
    }
  });

  it("names exactly the types that are legal now, without the supervisor's own", () => {
    const legal = new Map<RunSnapshot, Set<string>>();
    for (const { from, event, model } of asked(profile)) {
      const types = legal.get(from.snapshot) ?? new Set();
      legal.set(from.snapshot, types);
      const isPublishers =
        event.type !== "agent_interrupted" && !event.type.startsWith("child.") && !("repaired" in event);
      if (model !== undefined && isPublishers) types.add(event.type);
    }
    for (const [snapshot, types] of legal) {
      const payload = isLiving(snapshot) ? [...payloadTypes, "x.*"] : [];
      const { value, context } = snapshot;
      expect({ value, context, legal: new Set(legalTypes(snapshot)) }).toEqual({
        value,
        context,
        legal: new Set([...types, ...payload]),
      });
    }
  });

  it("gives a reason for each refusal", () => {
    for (const { from, event, model } of asked(profile)) {
      if (model !== undefined || !("data" in event)) continue;
      const sentence = whyIllegal(from.snapshot, event);
      expect(sentence).toContain(`${event.type} is illegal in ${from.snapshot.value}: `);
      expect(sentence).not.toContain("does not take it now");
      expect(sentence).not.toContain("?");
    }
  });

  it("keeps JSON only, and goes on from it", () => {
    const restored = new Map<RunSnapshot, RunSnapshot>();
    for (const { from, event, snapshot } of asked(profile)) {
      const again = restored.get(from.snapshot) ?? reread(from.snapshot);
      restored.set(from.snapshot, again);
      const [next] = transition(runMachine, again, event);
      // `expect` alone takes longer than all the rest, and these are tens of thousands.
      if (isDeepStrictEqual([next.value, next.context], [snapshot.value, snapshot.context])) continue;
      expect([next.value, next.context]).toEqual([snapshot.value, snapshot.context]);
    }
    expect(restored.size).toBeGreaterThan(0);
  });
});

/** As it is after a restart: written down, and read. */
function reread(snapshot: RunSnapshot): RunSnapshot {
  const { value, context } = JSON.parse(JSON.stringify(snapshot)) as RunSnapshot;
  return runMachine.resolveState({ value, context });
}

/** The rows of the page: event → state → where it leads. */
function pageTable(page: string): ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>> {
  const rows = page
    .slice(page.indexOf("| event | idle |"))
    .split("\n\n")[0]
    ?.split("\n")
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const [head, , ...body] = rows ?? [];
  return new Map(
    body.map(([event = "", ...cells]) => [
      event.replaceAll("`", ""),
      new Map(
        cells.map((cell, at) => {
          const state = head?.[at + 1] ?? "";
          const targets = cell === "–" ? [] : cell.split("<br>").map((step) => step.split(" if ")[0] ?? "");
          return [state, new Set(targets.map((target) => (target === "stays" ? state : target)))];
        }),
      ),
    ]),
  );
}

describe("the table in docs/run-machine.md", () => {
  const page = readFileSync(new URL("../../docs/run-machine.md", import.meta.url), "utf8");
  const table = pageTable(page);

  it("is what the machine generates", () => {
    expect(page).toBe(freshPage(page));
  });

  it("has every state and every event", () => {
    expect([...table.keys()].toSorted()).toEqual(
      [...lifecycleTypes, ...payloadTypes, "x.*", "child.started", "child.ended"].toSorted(),
    );
    for (const row of table.values()) expect([...row.keys()]).toEqual(Object.keys(runMachine.states));
  });

  it("says for every pair what was seen to happen", () => {
    const seen = new Map<string, Set<string>>();
    for (const { from, event, model } of profiles.flatMap(asked)) {
      const pair = `${event.type} in ${from.snapshot.value}`;
      const targets = seen.get(pair) ?? new Set();
      seen.set(pair, targets);
      if (model !== undefined) targets.add(model.state);
    }
    for (const [event, row] of table) {
      if (!needsMachine(event) && !event.startsWith("child.")) continue;
      for (const [state, targets] of row)
        expect([event, state, seen.get(`${event} in ${state}`)]).toEqual([event, state, targets]);
    }
  });

  it("lets payload pass in every living state, as the runtime does", () => {
    const places = new Map(asked("standard").map(({ from }) => [from.snapshot.value, from.snapshot]));
    expect([...places.keys()].toSorted()).toEqual(Object.keys(runMachine.states).toSorted());
    for (const [state, snapshot] of places)
      for (const [event, row] of table) {
        if (needsMachine(event) || event.startsWith("child.")) continue;
        expect(row.get(state)).toEqual(new Set(isLiving(snapshot) ? [state] : []));
      }
  });
});

describe("run machine", () => {
  it("takes any text as an id, also one that an object has already", () => {
    const run = createActor(runMachine, { input: {} }).start();
    run.send({ type: "agent_started", data: { agent: "a" } });
    for (const id of ["constructor", "__proto__", "toString", "1"]) {
      run.send(completed(id, "ok"));
      expect(run.getSnapshot().value).not.toBe("suspended");
      run.send(executing(id));
      expect(run.getSnapshot().context.open).toBe(1);
      run.send({ type: "agent_suspended", data: { reason: "asks", approvals: [{ approvalId: id }] } });
      const asks = run.getSnapshot();
      run.send({ type: "approval_resolved", data: { approvalId: id, decision: "deny" } });
      expect(run.getSnapshot()).not.toBe(asks);
      run.send({ type: "agent_resumed", data: {} });
      run.send(completed(id, "ok"));
      expect(run.getSnapshot().value).toBe("toolCompleted");
    }
  });

  it("goes on living after a terminal, so that its owner stops it and no late event breaks it", () => {
    const run = createActor(runMachine, { input: {} }).start();
    run.send({ type: "agent_started", data: { agent: "a" } });
    run.send({ type: "agent_completed", data: {} });
    const end = run.getSnapshot();
    for (const event of alphabet) run.send(event);
    expect(run.getSnapshot()).toBe(end);
    expect(end.status).toBe("active");
    expect(legalTypes(end)).toEqual([]);
  });

  it("can be opened by any tool: its config is JSON but for the initial context", () => {
    const { context, ...config } = runMachine.config;
    expect(typeof context).toBe("function");
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });
});
