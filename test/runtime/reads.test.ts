import { describe, expect, it } from "vitest";
import { foldRunView } from "../../machines/run-view.ts";
import type { RunEvent } from "../../protocol/event.ts";
import { asRunId, asTenantId, asUserId } from "../../protocol/ids.ts";
import type { RunView } from "../../protocol/run-view.ts";
import type { PublisherPrincipal } from "../../src/auth/principal.ts";
import { memoryLog } from "../../src/log/memory.ts";
import {
  completed,
  delta,
  executed,
  executing,
  failed,
  note,
  proposed,
  suspended,
  thinking,
} from "../support/events.ts";
import { publisher, runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

const page = { after: 0, limit: 100 };

async function world(options: Parameters<typeof runtimeUnderTest>[0] = {}) {
  const made = await runtimeUnderTest(options);
  const { service } = made.parts;
  return { ...made, service, alice: userOf("alice", made.clock.now()), bob: userOf("bob", made.clock.now()) };
}

describe("a run's view", () => {
  it("is the fold of its events wherever it is asked for, cached, cold or after a restart", async () => {
    const log = memoryLog();
    const { start, publish, call, service, alice } = await world({ log });
    const { runId } = await start({ threadId: "t", input: { ask: "sum" } });
    const steps = [
      [thinking, proposed("c1")],
      [executing("c1"), executing("c2")],
      [executed("c1"), delta("Hel")],
      [delta("lo"), note({ a: 1 })],
      [executed("c2", "error"), suspended("p")],
      [{ type: "approval_resolved", data: { approvalId: "p", decision: "deny" } }],
      [failed],
    ];
    for (const step of steps) {
      await publish(runId, 1, step);
      const { events } = await call(service.runEvents(alice, undefined, asRunId(runId), page));
      const folded = (events as readonly RunEvent[]).reduce<RunView | undefined>(foldRunView, undefined);
      expect(await call(service.run(alice, undefined, asRunId(runId)))).toEqual(folded);
      const cold = await world({ log });
      expect(await cold.call(cold.service.run(alice, undefined, asRunId(runId)))).toEqual(folded);
    }
  });

  it("in a snapshot is that of the snapshot's offset", async () => {
    const { start, publish, call, service, alice, connect, settle } = await world();
    const { runId } = await start();
    const { runId: other } = await start();
    await publish(runId, 1, [thinking, delta("a")]);
    const first = await connect("alice");
    await publish(runId, 1, [delta("b")]);
    await publish(other, 1, [completed]);
    const second = await connect("alice");
    await settle();
    for (const tab of [first, second]) {
      const snapshot = tab.of("snapshot")[0];
      const folds = new Map(snapshot?.runs.map((run) => [run.runId, run]));
      for (const event of tab.events() as readonly RunEvent[])
        folds.set(event.runId, foldRunView(folds.get(event.runId), event));
      expect(folds.get(asRunId(runId))).toEqual(await call(service.run(alice, undefined, asRunId(runId))));
    }
    expect(second.of("snapshot")[0]?.runs.map((run) => run.runId)).toEqual([runId]);
  });
});

describe("reads", () => {
  it("page through a stream and a run, and end with null", async () => {
    const { start, publish, call, service, alice } = await world();
    const { runId } = await start();
    await publish(
      runId,
      1,
      Array.from({ length: 9 }, () => note()),
    );
    const walk = async (
      read: (after: number) => Promise<{ events: readonly { offset: number }[]; next: number | null }>,
    ) => {
      const offsets: number[] = [];
      let after: number | null = 0;
      while (after !== null) {
        const { events, next } = await read(after);
        expect(events.length).toBeLessThanOrEqual(4);
        offsets.push(...events.map(({ offset }) => offset));
        after = next;
      }
      return offsets;
    };
    const all = Array.from({ length: 10 }, (_, index) => index + 1);
    expect(await walk((after) => call(service.events(alice, {}, { after, limit: 4 })))).toEqual(all);
    expect(
      await walk((after) => call(service.runEvents(alice, undefined, asRunId(runId), { after, limit: 5 - 1 }))),
    ).toEqual(all);
    expect(await call(service.events(alice, {}, { after: 10, limit: 4 }))).toEqual({ events: [], next: null });
    expect(await call(service.events(alice, {}, { after: 99, limit: 4 }))).toEqual({
      ...{ events: [], next: null },
      gap: { from: 1, upto: 10, reason: "ahead" },
    });
  });

  it("list a user's runs, newest first, with the state that each is in", async () => {
    const { start, publish, call, service, alice } = await world();
    for (const runId of ["r1", "r2", "r3"]) await start({ runId, threadId: `t-${runId}` });
    await publish("r1", 1, [thinking]);
    await publish("r2", 1, [completed]);
    const first = await call(service.runs(alice, {}, { limit: 2 }));
    expect(first.runs).toMatchObject([
      { runId: "r3", state: "started", threadId: "t-r3", userId: "alice", tenantId: "default", seq: 1, offset: 3 },
      { runId: "r2", state: "completed", seq: 2, offset: 5 },
    ]);
    const rest = await call(service.runs(alice, {}, { limit: 2, before: first.next ?? "" }));
    expect(rest).toMatchObject({ runs: [{ runId: "r1", state: "thinking" }], next: null });
  });
});

describe("isolation (L8)", () => {
  it("answers for a foreign run as for a missing one", async () => {
    const { start, call, service, bob } = await world();
    const { runId } = await start();
    const ask = async (id: string) =>
      Promise.all(
        [
          service.run(bob, undefined, asRunId(id)),
          service.runEvents(bob, undefined, asRunId(id), page),
          service.cancel(bob, undefined, asRunId(id), {}),
        ].map((asked) => call(asked as never).catch((cause: unknown) => JSON.stringify(cause))),
      );
    const foreign = await ask(runId);
    expect(foreign).toEqual(await ask("never-made"));
    for (const answer of foreign) expect(answer).toContain("NotFound");
  });

  it("lets users read their own things only, and names no other tenant's", async () => {
    const { start, call, service, alice, bob } = await world();
    await start();
    expect(await call(service.events(bob, {}, page))).toEqual({ events: [], next: null });
    expect((await call(service.runs(bob, {}, { limit: 10 }))).runs).toEqual([]);
    for (const whose of [{ userId: asUserId("alice") }, { tenantId: asTenantId("other") }]) {
      await expect(call(service.events(bob, whose, page))).rejects.toMatchObject({ _tag: "Forbidden" });
      await expect(call(service.runs(bob, whose, { limit: 1 }))).rejects.toMatchObject({ _tag: "Forbidden" });
      await expect(call(service.ledger(bob, whose))).rejects.toMatchObject({ _tag: "Forbidden" });
    }
    expect(await call(service.ledger(alice, {}))).toMatchObject({ accepted: 1, difference: 0 });
  });

  it("holds a key to its tenants and its rights", async () => {
    const { start, publish, call, service } = await world();
    const { runId } = await start({ tenantId: "acme" });
    await start();
    const keyOf = (over: Partial<PublisherPrincipal>): PublisherPrincipal => ({
      ...publisher,
      tenants: [asTenantId("acme")],
      ...over,
    });
    const acme = asTenantId("acme");
    const readOnly = keyOf({ rights: [] });
    const foreign = keyOf({ tenants: [asTenantId("other")] });
    const noAdmin = keyOf({ rights: ["publish"] });
    const own = keyOf({});
    await expect(call(service.startRun(foreign, { userId: "u", agent: "a", tenantId: "acme" }))).rejects.toMatchObject({
      _tag: "Forbidden",
    });
    await expect(call(service.claim(foreign, acme, asRunId(runId)))).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(call(service.claim(foreign, undefined, asRunId(runId)))).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(call(service.claim(readOnly, acme, asRunId(runId)))).rejects.toMatchObject({ _tag: "Forbidden" });
    await expect(call(service.run(noAdmin, acme, asRunId(runId)))).rejects.toMatchObject({ _tag: "Forbidden" });
    await expect(call(service.ledger(noAdmin, {}))).rejects.toMatchObject({ _tag: "Forbidden" });
    await expect(
      call(service.events(own, { userId: asUserId("alice"), tenantId: asTenantId("default") }, page)),
    ).rejects.toMatchObject({ _tag: "Forbidden" });
    // A key of one tenant means that tenant when it names none.
    expect(await call(service.run(own, undefined, asRunId(runId)))).toMatchObject({ runId });
    expect(await call(service.events(own, { userId: asUserId("alice") }, page))).toMatchObject({ events: [{ runId }] });
    await expect(publish(runId, 1, [note()])).rejects.toMatchObject({ _tag: "NotFound" });
  });

  it("keeps streams apart whose tenant and user join to one text", async () => {
    const { start, connect, settle } = await world();
    const one = await connect("c@a:b", { from: "start" });
    const two = await connect("b:c@a", { from: "start" });
    await start({ tenantId: "a:b", userId: "c" });
    await settle();
    expect([one.events().length, two.events().length]).toEqual([1, 0]);
  });
});
