/** The laws of runs: records, claims, the living, pages and approvals. */
import { asRunId, asTenantId } from "../../../protocol/ids.ts";
import type { RunsQuery } from "../../log/event-log.ts";
import { type LawBook, rejection } from "./law.ts";
import { alice, bob, ending, event, newRun, next, notice, run1, run2, started, tenant, write } from "./sample.ts";

export function runLaws({ law, expect }: LawBook): void {
  law("keeps a run's record as it was made, and moves its seq and last offset", async (log) => {
    const create = newRun(run1, alice, {
      threadId: "thread '1'",
      parentRunId: run2,
      profile: "strict",
      onIllegal: "quarantine",
      mode: "performance",
      leaseMs: 1_000,
      deadlineMs: 60_000,
    });
    await write(log, notice(alice, "before"));
    await write(log, started(create));
    await write(log, notice(alice, "between"));
    await write(log, next(1, [event("a"), event("b")]));
    expect(await log.run(tenant, run1)).toEqual({ ...create, fence: 1, seq: 3, firstOffset: 2, lastOffset: 5 });
    await write(log, ending(3, "cancelled"));
    expect(await log.run(tenant, run1)).toMatchObject({ seq: 4, lastOffset: 6, ended: "cancelled" });
  });

  law("knows no run of another tenant", async (log) => {
    await write(log, started(newRun()));
    expect(await log.run(asTenantId("other"), run1)).toBeUndefined();
    expect(await log.run(tenant, run2)).toBeUndefined();
    expect(await log.claim(asTenantId("other"), run1)).toBeUndefined();
  });

  law("gives every claim a greater fence", async (log) => {
    await write(log, started(newRun()));
    const fences = await Promise.all([1, 2, 3].map(async () => (await log.claim(tenant, run1))?.fence));
    expect(fences).toEqual([2, 3, 4]);
    expect(await log.claim(tenant, run2)).toBeUndefined();
  });

  law("makes a run only while the parent that it names lives in its stream, when that is asked", async (log) => {
    const child = newRun(run2, alice, { parentRunId: run1 });
    const birth = (create = child) => {
      const { tenantId, runId } = create;
      return { ...started(create), run: { tenantId, runId, expectedSeq: 0, create, asksFamily: true } };
    };
    expect(await log.append(birth())).toEqual({ kind: "no_parent" });
    await write(log, started(newRun(run1, bob)));
    expect(await log.append(birth()), "somebody else's").toEqual({ kind: "no_parent" });
    await write(log, started(newRun(asRunId("mother"))));
    const twin = newRun(asRunId("twin"), alice, { parentRunId: asRunId("mother") });
    await write(log, birth(twin));
    await write(log, next(1, [event("end")], { runId: asRunId("mother"), ended: "failed" }));
    expect(await log.append(birth({ ...twin, runId: asRunId("late") }))).toEqual({ kind: "no_parent" });
    expect(await log.append(birth(twin)), "a birth that is repeated").toMatchObject({ kind: "run_exists" });
    expect(await log.run(tenant, asRunId("late"))).toBeUndefined();
    expect((await log.position(alice)).head).toBe(3);
    await write(log, started({ ...twin, runId: asRunId("late") }));
    await write(log, birth(newRun(asRunId("of-nobody"))));
  });

  law("ends a run only when no child of it lives, when that is asked", async (log) => {
    const ended = "completed" as const;
    await write(log, started(newRun(run1)));
    await write(log, started(newRun(run2, alice, { parentRunId: run1 })));
    await write(log, started(newRun(asRunId("run-10"), alice, { parentRunId: asRunId("run-1x"), agent: run1 })));
    const end = { ...ending(1), run: { tenantId: tenant, runId: run1, expectedSeq: 1, ended, asksFamily: true } };
    expect(await log.append(end)).toEqual({ kind: "child_lives" });
    expect(await log.append({ ...end, run: { ...end.run, expectedSeq: 7 } })).toMatchObject({ kind: "seq_conflict" });
    expect((await log.position(alice)).head).toBe(3);
    const [, answer] = await Promise.all([
      write(log, next(1, [event("child's end")], { runId: run2, ended: "failed" })),
      log.append(end),
    ]);
    expect(answer).toMatchObject({ kind: "appended", seq: 2 });
    expect(await log.append(end)).toEqual({ kind: "run_ended", ended });
    await write(log, started(newRun(asRunId("p"))));
    await write(log, started(newRun(asRunId("c"), alice, { parentRunId: asRunId("p") })));
    await write(log, next(1, [event("unasked")], { runId: asRunId("p"), ended }));
  });

  law("lists a stream's living runs, oldest first, at its head", async (log) => {
    await write(log, started(newRun(run2)));
    await write(log, started(newRun(run1)));
    await write(log, started(newRun(asRunId("of-bob"), bob)));
    const both = await log.living(alice);
    expect(both.runs.map(({ runId }) => runId)).toEqual([run2, run1]);
    expect(both.head).toBe(2);
    await write(log, ending(1));
    expect(await log.living(alice)).toMatchObject({ head: 3, runs: [{ runId: run2, seq: 1, lastOffset: 1 }] });
  });

  law("pages runs, newest first, by tenant, stream and life", async (log) => {
    const names = Array.from({ length: 7 }, (_, index) => asRunId(`r${index}`));
    for (const [index, name] of names.entries()) await write(log, started(newRun(name, index % 2 === 0 ? alice : bob)));
    await write(log, started(newRun(asRunId("foreign"), alice, { tenantId: asTenantId("other") })));
    for (const name of ["r0", "r4"])
      await write(log, next(1, [event("end")], { runId: asRunId(name), ended: "completed" }));

    const list = async (query: Omit<RunsQuery, "limit">, limit = 2) => {
      const found: string[] = [];
      let before: string | undefined;
      for (let page = 0; page < 10; page++) {
        const { runs, next: last } = await log.runs({ ...query, limit, before });
        expect(runs.length <= limit).toBe(true);
        found.push(...runs.map(({ runId }) => runId));
        if (last === null) return found;
        before = last;
      }
      throw new Error("the pages never end");
    };
    expect(await list({ tenantId: tenant })).toEqual(["r6", "r5", "r4", "r3", "r2", "r1", "r0"]);
    expect(await list({ tenantId: tenant, stream: bob }, 1)).toEqual(["r5", "r3", "r1"]);
    expect(await list({ tenantId: tenant, stream: alice, living: true })).toEqual(["r6", "r2"]);
    expect(await list({ stream: alice, living: false })).toEqual(["r4", "r0"]);
    expect(await list({ living: true }, 3)).toEqual(["foreign", "r6", "r5", "r3", "r2", "r1"]);
    expect(await list({}, 8)).toEqual(["foreign", "r6", "r5", "r4", "r3", "r2", "r1", "r0"]);
    expect(await list({ tenantId: asTenantId("nobody") })).toEqual([]);
  });

  law("refuses a page that it never gave", async (log) => {
    expect(await rejection(log.runs({ limit: 1, before: "1; --" }))).toMatchObject({
      _tag: "InvalidInput",
      path: "before",
    });
  });

  law("finds the run that opened an approval, the newest first, also by owner", async (log) => {
    await write(log, started(newRun(run1)));
    await write(log, started(newRun(run2, bob)));
    await write(log, next(1, [event("ask")], { approvals: ["a-1", "a:'2'"] }));
    expect((await log.approval(tenant, "a-1"))?.runId).toBe(run1);
    expect(await log.approval(tenant, "a-1", alice)).toMatchObject({ runId: run1, seq: 2 });
    expect((await log.approval(tenant, "a:'2'"))?.runId).toBe(run1);
    expect(await log.approval(tenant, "a-1", bob)).toBeUndefined();
    expect(await log.approval(asTenantId("other"), "a-1")).toBeUndefined();
    expect(await log.approval(tenant, "a-3")).toBeUndefined();
    const same = { runId: run2, approvals: ["a-1"] };
    await write(log, { ...next(1, [event("ask too")], same), stream: bob });
    await write(log, { ...next(2, [event("ask again")], same), stream: bob });
    expect((await log.approval(tenant, "a-1"))?.runId).toBe(run2);
    expect((await log.approval(tenant, "a-1", alice))?.runId).toBe(run1);
  });

  law("opens an approval with the run itself", async (log) => {
    const append = started(newRun());
    await write(log, {
      ...append,
      run: { ...append.run, tenantId: tenant, runId: run1, expectedSeq: 0, approvals: ["a"] },
    });
    expect((await log.approval(tenant, "a"))?.runId).toBe(run1);
  });
}
