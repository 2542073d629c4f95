import { describe, expect, it } from "vitest";
import { asRunId } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { completed, failed, note } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";

describe("starting a run", () => {
  it("names it when the caller does not, each time anew", async () => {
    const { start } = await runtimeUnderTest();
    const ids = new Set([(await start()).runId, (await start()).runId]);
    expect(ids.size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("answers the same call again as before, and makes nothing", async () => {
    const { call, parts, log } = await runtimeUnderTest();
    const body = { userId: "alice", agent: "tester", runId: "r1", input: { ask: 1, about: 2 } };
    const first = await call(parts.service.startRun(publisher, body));
    const again = await call(parts.service.startRun(publisher, { ...body, input: { about: 2, ask: 1 } }));
    expect(first.created).toBe(true);
    expect(again).toEqual({ answer: first.answer, created: false });
    expect(await log.ledger()).toMatchObject({ accepted: 1 });
  });

  it("answers the same call again after the run went on, was claimed, ended and the process restarted", async () => {
    const log = memoryLog();
    const { start, publish, call, parts } = await runtimeUnderTest({ log });
    const first = await start({ runId: "r1" });
    await publish("r1", 1, [note()]);
    await call(parts.service.claim(publisher, undefined, asRunId("r1")));
    // The fence of then: a runner that the claim has shut out must not get in again by asking twice (L14).
    expect(await start({ runId: "r1" })).toEqual(first);
    await publish("r1", 2, [completed]);
    expect(await start({ runId: "r1" })).toEqual(first);
    const after = await runtimeUnderTest({ log });
    expect(await after.start({ runId: "r1" })).toEqual(first);
  });

  it("refuses another body under a known id", async () => {
    const { start } = await runtimeUnderTest();
    await start({ runId: "r1" });
    for (const other of [{ agent: "other" }, { userId: "bob" }, { threadId: "t" }, { input: 1 }, { leaseMs: 5_000 }])
      await expect(start({ runId: "r1", ...other })).rejects.toMatchObject({ _tag: "RunExists" });
  });

  it("lets two tenants use one id", async () => {
    const { start } = await runtimeUnderTest();
    expect(await start({ runId: "r1", tenantId: "a" })).toMatchObject({ offset: 1 });
    expect(await start({ runId: "r1", tenantId: "b" })).toMatchObject({ offset: 1 });
  });

  it("makes one run of calls that come at once", async () => {
    const { start, log } = await runtimeUnderTest();
    const answers = await Promise.all(Array.from({ length: 10 }, () => start({ runId: "r1" })));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(await log.ledger()).toMatchObject({ accepted: 1 });
  });

  it("is settled by repeating it when its answer was lost", async () => {
    const log = faultyLog(memoryLog());
    const { start, publish } = await runtimeUnderTest({ log });
    log.failAppend("after", "before");
    await expect(start({ runId: "r1" })).rejects.toMatchObject({ _tag: "LogUnavailable" });
    expect(await start({ runId: "r1" }).catch(() => start({ runId: "r1" }))).toMatchObject({
      seq: 1,
      offset: 1,
      fence: 1,
    });
    expect(await publish("r1", 1, [completed])).toMatchObject({ seq: 2 });
  });
});

describe("a child run", () => {
  it("keeps its parent from completing while it lives", async () => {
    const { start, publish } = await runtimeUnderTest();
    const parent = await start();
    const child = await start({ parentRunId: parent.runId });
    await expect(publish(parent.runId, 1, [completed])).rejects.toMatchObject({ _tag: "IllegalTransition" });
    await publish(child.runId, 1, [completed]);
    expect(await publish(parent.runId, 1, [completed])).toMatchObject({ seq: 2 });
  });

  it("keeps its parent open from the moment it is being made", async () => {
    const { start, publish } = await runtimeUnderTest();
    const parent = await start();
    const [child, end] = await Promise.allSettled([
      start({ parentRunId: parent.runId }),
      publish(parent.runId, 1, [completed]),
    ]);
    // Either order is right; both at once would be a living child of a completed run.
    expect([child.status, end.status].filter((status) => status === "fulfilled")).toHaveLength(1);
  });

  it("does not keep its parent from failing", async () => {
    const { start, publish } = await runtimeUnderTest();
    const parent = await start();
    await start({ parentRunId: parent.runId });
    expect(await publish(parent.runId, 1, [failed])).toMatchObject({ seq: 2 });
  });

  it("is remembered by a parent that a restart has brought back", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ log });
    const parent = await before.start();
    const child = await before.start({ parentRunId: parent.runId });
    const after = await runtimeUnderTest({ log });
    await expect(after.publish(parent.runId, 1, [completed])).rejects.toMatchObject({ _tag: "IllegalTransition" });
    await after.publish(child.runId, 1, [completed]);
    expect(await after.publish(parent.runId, 1, [completed])).toMatchObject({ seq: 2 });
  });

  it("does not hold its parent when it was never made, was made before, or ended behind a lost answer", async () => {
    const log = faultyLog(memoryLog());
    const { start, publish, clock } = await runtimeUnderTest({ log });
    const parent = await start();
    log.failAppend("before");
    await expect(start({ runId: "never", parentRunId: parent.runId })).rejects.toMatchObject({
      _tag: "LogUnavailable",
    });
    await clock.advance(2_000);
    const body = { runId: "child", parentRunId: parent.runId };
    await start(body);
    await start(body);
    log.failAppend("after");
    await expect(publish("child", 1, [completed])).rejects.toMatchObject({ _tag: "LogUnavailable" });
    await clock.advance(2_000);
    expect(await publish(parent.runId, 1, [completed])).toMatchObject({ seq: 2 });
  });

  it("needs a parent that lives and belongs to the same user", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    const startUnder = (parentRunId: string, userId = "alice") => start({ parentRunId, userId });
    await expect(startUnder("never-made")).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(startUnder(runId, "bob")).rejects.toMatchObject({ _tag: "NotFound" });
    await publish(runId, 1, [completed]);
    await expect(startUnder(runId)).rejects.toMatchObject({ _tag: "RunEnded" });
    await expect(startUnder(runId, "bob")).rejects.toMatchObject({ _tag: "NotFound" });
  });
});
