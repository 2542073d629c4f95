import { describe, expect, it } from "vitest";
import { LogFull } from "../../src/errors.ts";
import type { Append, Bell } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import {
  alice,
  bob,
  event,
  ids,
  keyed,
  newRun,
  next,
  notice,
  run1,
  started,
  tenant,
  wide,
  write,
} from "../../src/testing/event-log/sample.ts";
import { eventLogContract } from "../../src/testing/event-log-contract.ts";
import { spooledWorld } from "../support/spooled-world.ts";

eventLogContract(
  "a log with a spool",
  async () => {
    const { log } = await spooledWorld();
    return { log: log(), dispose: () => log().close() };
  },
  { describe, it, expect },
);

/** Beyond all retries. */
const retriesMs = 800;
/** Until the breaker lets probes through again, and the drain has come. */
const healMs = 35_000;

describe("an append while the log takes nothing", () => {
  it("is accepted by the spool at the place that it then has in the log, read and rung for as any other", async () => {
    const world = await spooledWorld();
    const { store, faults, pass } = world;
    const log = world.log();
    const heard: Bell[] = [];
    log.watch((bell) => void heard.push(bell));
    await write(log, started(newRun()));
    faults().setDown(true);
    const said = [log.append(next(1, [event("a"), keyed("b")], { fence: 1 })), log.append(notice(alice, "n"))];
    await pass(retriesMs);
    const [{ epoch }] = [await log.position(alice)];
    expect(await Promise.all(said)).toMatchObject([
      { kind: "appended", epoch, offset: 3, seq: 3, fence: 1 },
      { kind: "appended", epoch, offset: 4, seq: 0 },
    ]);
    expect(await write(log, next(3, [event("c")], { fence: 1, ended: "completed" }))).toMatchObject({
      offset: 5,
      seq: 4,
    });
    expect(heard.map(({ head }) => head)).toEqual([1, 3, 4, 5]);
    const tail = await log.read(alice, 1, wide);
    expect(tail.events.map(({ id }) => id)).toEqual(["id-a", "id-b", "id-n", "id-c"]);
    expect(await log.run(tenant, run1)).toMatchObject({ seq: 4, ended: "completed", lastOffset: 5 });
    expect(await log.readRun(tenant, run1, 1, wide)).toHaveLength(3);
    expect(log.spoolHealth()).toMatchObject({ spoolEvents: 4, eventsDirect: 0 });

    faults().setDown(false);
    await pass(healMs);
    expect((await store.read(alice, 0, wide)).events.slice(1)).toEqual(tail.events);
    expect(await store.run(tenant, run1)).toEqual(await log.run(tenant, run1));
    expect(world.spool.texts).toEqual([]);
    expect(log.spoolHealth()).toEqual({
      spoolEvents: 0,
      spoolBytes: 0,
      eventsDrained: 4,
      eventsDirect: 0,
      spoolConflicts: 0,
    });
    expect(world.spool.state).toBe("clean");
    await write(log, notice(alice, "after"));
    expect(await ids(store, alice)).toHaveLength(6);
    expect(heard.map(({ head }) => head)).toEqual([1, 3, 4, 5, 6]);
  });

  it("is tried three times from 100 ms before the spool gets it, and once after 1 ms in performance mode", async () => {
    const { log, faults, pass, spool } = await spooledWorld({ maxFailures: 100 });
    faults().failAppend("before", "before", "before");
    const slow = log().append(notice(alice, "a"));
    await pass(650);
    expect(spool.appends).toBe(0);
    await pass(100);
    expect(await slow).toMatchObject({ kind: "appended", offset: 1 });
    expect(spool.appends).toBe(0);

    faults().failAppend("before");
    const quick = log().append({ ...notice(alice, "b"), durability: "os" });
    await pass(50);
    expect(await quick).toMatchObject({ offset: 2 });
    faults().failAppend("before", "before");
    const spooled = log().append({ ...notice(alice, "c"), durability: "os" });
    await pass(50);
    expect(await spooled).toMatchObject({ offset: 3 });
    expect(spool.appends).toBe(1);
  });

  it("does not overtake what failed before it, and lands once when the answer was lost", async () => {
    const { log, faults, pass, store } = await spooledWorld();
    await write(log(), started(newRun()));
    faults().failAppend("after", "before");
    const said = [
      log().append(notice(alice, "one")),
      log().append(next(1, [event("two")])),
      log().append(next(2, [event("three")])),
      log().append(notice(alice, "four")),
    ];
    await pass(retriesMs);
    const offsets = (await Promise.all(said)).map((answer) => ("offset" in answer ? answer.offset : 0));
    const there = await ids(store, alice);
    expect(there).toHaveLength(5);
    expect(new Set(there).size).toBe(5);
    expect(there.indexOf("id-two")).toBeLessThan(there.indexOf("id-three"));
    expect(there.map((_, index) => index + 1)).toEqual([1, ...offsets].toSorted((a, b) => a - b));
  });

  it("waits behind the drain: what is said while it goes on lands after what was said before", async () => {
    const { log, faults, pass, store, settle } = await spooledWorld();
    expect(await log().position(alice)).toMatchObject({ head: 0 });
    faults().setDown(true);
    const first = Array.from({ length: 200 }, (_, index) => log().append(notice(alice, `${index}`)));
    await pass(retriesMs);
    await Promise.all(first);
    faults().setDown(false);
    const later: Promise<unknown>[] = [];
    for (let step = 0; step < 100; step += 1) {
      await pass(500);
      later.push(log().append(notice(alice, `later ${step}`)));
      await settle();
    }
    await Promise.all(later);
    await pass(healMs);
    expect(await ids(store, alice)).toEqual([
      ...first.map((_, index) => `id-${index}`),
      ...later.map((_, step) => `id-later ${step}`),
    ]);
  });

  it("of a new run is taken when its id is new, or the log says that nobody has it", async () => {
    const { log, faults, pass } = await spooledWorld();
    await write(log(), notice(alice, "known"));
    faults().setDown(true);
    const { run, ...append } = started(newRun());
    const fresh = log().append({ ...append, ...(run && { run: { ...run, isNewId: true } }) });
    const named = log().append(started(newRun("run-9" as never)));
    named.catch(() => {});
    await pass(3_000);
    expect(await fresh).toMatchObject({ kind: "appended", offset: 2, fence: 1 });
    await expect(named).rejects.toMatchObject({ _tag: "LogUnavailable" });
    expect(await log().append(started(newRun()))).toMatchObject({ kind: "run_exists" });
  });

  it("is refused where only the log could know its stream", async () => {
    const { log, faults, pass } = await spooledWorld();
    faults().setDown(true);
    const unknown = log().append(notice(bob, "a"));
    unknown.catch(() => {});
    await pass(3_000);
    await expect(unknown).rejects.toMatchObject({ _tag: "LogUnavailable", retryAfterMs: 1_000 });
  });

  it("survives kill -9: the next process has it, in order, once, before anything newer", async () => {
    const { log, faults, pass, store, crash } = await spooledWorld();
    await write(log(), started(newRun()));
    faults().setDown(true);
    const said = [log().append(next(1, [event("a")])), log().append(notice(alice, "b"))];
    await pass(retriesMs);
    await Promise.all(said);
    // One has landed when the process dies.
    await store.append(next(1, [event("a")]));
    await crash();
    await write(log(), notice(alice, "c"));
    expect(await ids(store, alice)).toEqual(["id-run-1 started", "id-a", "id-b", "id-c"]);
    expect((await log().position(alice)).lostEpochs).toBeUndefined();
  });

  it("is taken up by a process whose log takes nothing either", async () => {
    const store = memoryLog();
    let isFull = false;
    const full = new LogFull({ message: "full", retryAfterMs: 1_000 });
    const readable = { ...store, append: (append: Append) => (isFull ? Promise.reject(full) : store.append(append)) };
    const world = await spooledWorld({ store: readable });
    const { log, faults, pass, spool } = world;
    await write(log(), started(newRun()));
    faults().setDown(true);
    const said = log().append(next(1, [event("a")]));
    await pass(retriesMs);
    await said;
    isFull = true;
    await world.crash();
    expect((await log().read(alice, 0, wide)).events.map(({ id }) => id)).toEqual(["id-run-1 started", "id-a"]);
    const more = log().append(next(2, [event("b")]));
    await pass(retriesMs);
    expect(await more).toMatchObject({ offset: 3, seq: 3 });
    expect(spool.texts).toHaveLength(2);
    isFull = false;
    await pass(healMs);
    expect(await ids(store, alice)).toEqual(["id-run-1 started", "id-a", "id-b"]);
  });

  it("moves nothing under what waits: no claim, no retirement, no compaction; acks wait", async () => {
    const { log, faults, pass } = await spooledWorld();
    await write(log(), started(newRun()));
    faults().setDown(true);
    const said = log().append(next(1, [event("a")]));
    await pass(retriesMs);
    await said;
    faults().setDown(false);
    await expect(log().claim(tenant, run1)).rejects.toMatchObject({ _tag: "LogUnavailable" });
    const ask = { before: "2999-01-01T00:00:00.000Z", now: "2999-01-01T00:00:00.000Z", maxEvents: 10 };
    expect(await log().retire(ask)).toEqual({ streams: [], next: null });
    await log().saveCursors([{ stream: alice, device: "d" as never, offset: 2 }]);
    expect(await log().ledger()).toEqual({ accepted: 2, acked: 1, stored: 1, deadLettered: 0 });
    await pass(healMs);
    expect(await log().claim(tenant, run1)).toEqual({ fence: 2, seq: 2 });
    expect(await log().ledger()).toEqual({ accepted: 2, acked: 2, stored: 0, deadLettered: 0 });
  });
});

describe("an append while neither the log nor the spool takes it", () => {
  it("is marked, delivered and written when one of them is back; new runs are refused", async () => {
    const { log, faults, pass, spool, store } = await spooledWorld();
    const heard: Bell[] = [];
    await write(log(), started(newRun()));
    log().watch((bell) => void heard.push(bell));
    faults().setDown(true);
    spool.isDown = true;
    const said = log().append(next(1, [event("a")], { fence: 1 }));
    const born = log().append(started(newRun("run-2" as never)));
    born.catch(() => {});
    await pass(3_000);
    expect(await said).toMatchObject({ kind: "appended", offset: 2, seq: 2, durability: "none" });
    await expect(born).rejects.toMatchObject({ _tag: "LogUnavailable", retryAfterMs: 1_000 });
    expect(heard.flatMap(({ events }) => events ?? [])).toMatchObject([{ id: "id-a", durability: "none" }]);
    expect(spool.state).toBe("direct");

    spool.isDown = false;
    await pass(healMs);
    expect(spool.texts).toHaveLength(1);
    expect(spool.state).toBe("spooling");
    expect((await log().read(alice, 1, wide)).events[0]?.durability).toBeUndefined();
    faults().setDown(false);
    await pass(healMs);
    expect(await ids(store, alice)).toEqual(["id-run-1 started", "id-a"]);
    expect(spool.state).toBe("clean");
    expect(log().spoolHealth()).toMatchObject({ eventsDirect: 1, eventsDrained: 1, spoolConflicts: 0 });
  });

  it("declares the hole when the process dies before: another epoch, and why", async () => {
    const world = await spooledWorld();
    const { log, faults, pass, spool } = world;
    const { epoch } = await write(log(), started(newRun()));
    faults().setDown(true);
    spool.isDown = true;
    const said = log().append(next(1, [event("a")]));
    await pass(retriesMs);
    await said;
    spool.isDown = false;
    await world.crash();
    const position = await log().position(alice);
    expect(position).toMatchObject({ head: 1, lostEpochs: [epoch] });
    expect(position.epoch).not.toBe(epoch);
    expect(await log().append(next(1, [event("b")]))).toMatchObject({ offset: 2, epoch: position.epoch });
    expect((await (await world.crash()).position(alice)).epoch).toBe(position.epoch);
  });

  it("is refused where the hole could not be declared, and where there is no more room", async () => {
    const { log, faults, pass, spool } = await spooledWorld({ maxDirectBytes: 2_000 });
    await write(log(), started(newRun()));
    faults().setDown(true);
    spool.isDown = true;
    spool.markIsDown = true;
    const silent = log().append(next(1, [event("a")]));
    silent.catch(() => {});
    await pass(retriesMs);
    await expect(silent).rejects.toMatchObject({ _tag: "LogUnavailable" });
    spool.markIsDown = false;
    let taken = 0;
    for (; ; taken += 1) {
      const answer = log().append(next(1 + taken, [event(`${taken}`)]));
      answer.catch(() => {});
      await pass(50);
      if (
        await answer.then(
          () => false,
          () => true,
        )
      )
        break;
    }
    expect(taken).toBeGreaterThan(1);
    expect(taken).toBeLessThan(6);
  });

  it("is refused where operators have switched both off, and goes to the memory where they have switched off the spool", async () => {
    const isOn = { spool: false, direct: false };
    const { log, faults, pass, spool } = await spooledWorld({
      allows: { spool: () => isOn.spool, direct: () => isOn.direct },
    });
    await write(log(), started(newRun()));
    faults().setDown(true);
    const refused = log().append(next(1, [event("a")]));
    refused.catch(() => {});
    await pass(retriesMs);
    await expect(refused).rejects.toMatchObject({ _tag: "LogUnavailable" });
    isOn.direct = true;
    const said = log().append(next(1, [event("b")]));
    await pass(retriesMs);
    expect(await said).toMatchObject({ durability: "none" });
    expect(spool.appends).toBe(0);
    isOn.spool = true;
    await pass(2_000);
    expect(spool.appends).toBe(1);
  });

  it("is put into a spool that was restarted empty, with all that it had lost", async () => {
    const { log, faults, pass, spool, store, crash } = await spooledWorld();
    await write(log(), started(newRun()));
    faults().setDown(true);
    const said = log().append(next(1, [event("a")]));
    await pass(retriesMs);
    await said;
    spool.lose();
    await pass(2_000);
    expect(spool.texts).toHaveLength(1);
    await crash();
    expect(await ids(store, alice)).toEqual(["id-run-1 started", "id-a"]);
  });
});

describe("what the log refuses of what waited", () => {
  it("is kept apart and told, and readers begin anew: what they saw has another place", async () => {
    const world = await spooledWorld();
    const { log, faults, pass, store } = world;
    const { epoch } = await write(log(), started(newRun()));
    faults().setDown(true);
    const said = [log().append(next(1, [event("a")])), log().append(notice(alice, "b"))];
    await pass(retriesMs);
    await Promise.all(said);
    // Somebody else has written to the store.
    await store.append(next(1, [event("foreign")], { ended: "failed" }));
    faults().setDown(false);
    await pass(healMs);
    expect(await ids(store, alice)).toEqual(["id-run-1 started", "id-foreign", "id-b"]);
    expect((await store.deadLetters({ limit: 9 })).entries).toMatchObject([
      { kind: "quarantined", runId: run1, data: '{"name":"a"}' },
    ]);
    expect((await log().position(alice)).epoch).not.toBe(epoch);
    expect(world.newEpochs()).toBeGreaterThan(0);
    expect(log().spoolHealth().spoolConflicts).toBeGreaterThan(0);
    expect((await log().read(alice, 0, wide)).events.map(({ offset }) => offset)).toEqual([1, 2, 3]);
  });
});
