/** The laws of `append`: all or nothing, dense, guarded by run, fence, seq and key (L3, L4, L14). */
import { asRunId, asUserId, streamKey } from "../../../protocol/ids.ts";
import type { LawBook } from "./law.ts";
import { rejection } from "./law.ts";
import {
  alice,
  bob,
  ending,
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
} from "./sample.ts";

export function appendLaws({ law, expect }: LawBook): void {
  law("gives offsets from 1, dense, whatever the size of a batch", async (log) => {
    expect(await log.append(notice(alice, "a", "b", "c"))).toMatchObject({
      kind: "appended",
      offset: 3,
      seq: 0,
      fence: 0,
    });
    expect(await log.append(notice(alice, "d"))).toMatchObject({ kind: "appended", offset: 4 });
    const { events } = await log.read(alice, 0, wide);
    expect(events.map(({ offset }) => offset)).toEqual([1, 2, 3, 4]);
    expect(events.map(({ runId, seq }) => [runId, seq])).toEqual(events.map(() => [undefined, undefined]));
  });

  law("names one epoch in its answers, its positions and its reads", async (log) => {
    const { epoch } = await write(log, notice(alice, "a"));
    expect(typeof epoch === "string" && epoch.length > 0).toBe(true);
    expect((await log.position(alice)).epoch).toBe(epoch);
    expect((await log.read(alice, 0, wide)).epoch).toBe(epoch);
    expect((await log.living(alice)).epoch).toBe(epoch);
  });

  law("commits the appends of a stream in the order of the calls", async (log) => {
    const answers = await Promise.all(["a", "b", "c", "d"].map((name) => write(log, notice(alice, name))));
    expect(answers.map(({ offset }) => offset)).toEqual([1, 2, 3, 4]);
    expect(await ids(log, alice)).toEqual(["id-a", "id-b", "id-c", "id-d"]);
  });

  law("keeps fifty streams dense and apart under concurrent appends", async (log) => {
    const streams = Array.from({ length: 50 }, (_, index) => streamKey(tenant, asUserId(`user ${index}`)));
    const rounds = Array.from({ length: 20 }, (_, round) => round);
    const offsets = await Promise.all(
      streams.map(async (stream) => {
        const answers = await Promise.all(
          rounds.map((round) => write(log, notice(stream, `${stream} ${round} x`, `${stream} ${round} y`))),
        );
        return answers.map(({ offset }) => offset);
      }),
    );
    for (const [index, stream] of streams.entries()) {
      expect(offsets[index]).toEqual(rounds.map((round) => 2 * round + 2));
      const { events, head } = await log.read(stream, 0, wide);
      expect(head).toBe(40);
      expect(events.map(({ offset }) => offset)).toEqual(Array.from({ length: 40 }, (_, at) => at + 1));
      expect(events.map(({ id }) => id)).toEqual(
        rounds.flatMap((round) => [`id-${stream} ${round} x`, `id-${stream} ${round} y`]),
      );
    }
  });

  law("creates a run with fence 1 and counts its seq from 1, apart from the offset", async (log) => {
    await write(log, notice(alice, "before"));
    const made = await log.append(started(newRun(), [event("s1"), event("s2")]));
    expect(made).toMatchObject({ kind: "appended", offset: 3, seq: 2, fence: 1 });
    await write(log, notice(alice, "between"));
    expect(await log.append(next(2, [event("s3")], { fence: 1 }))).toMatchObject({ offset: 5, seq: 3, fence: 1 });
    const { events } = await log.read(alice, 0, wide);
    expect(events.map(({ seq }) => seq)).toEqual([undefined, 1, 2, undefined, 3]);
    expect(events.map(({ runId }) => runId)).toEqual([undefined, run1, run1, undefined, run1]);
  });

  law("answers run_exists with the run's record to a second creation, and writes nothing", async (log) => {
    await write(log, started(newRun()));
    const again = await log.append(started(newRun(run1, bob, { agent: "other" })));
    expect(again).toMatchObject({
      kind: "run_exists",
      run: { ...newRun(), seq: 1, fence: 1, firstOffset: 1, lastOffset: 1 },
    });
    expect(await ids(log, bob)).toEqual([]);
    expect(await ids(log, alice)).toEqual(["id-run-1 started"]);
  });

  law("lets exactly one of two creations in the same turn win", async (log) => {
    const [first, second] = await Promise.all([
      log.append(started(newRun())),
      log.append(started(newRun(run1, bob, { startDigest: "other" }))),
    ]);
    expect(first).toMatchObject({ kind: "appended", offset: 1 });
    expect(second).toMatchObject({ kind: "run_exists", run: { stream: alice } });
  });

  law("answers run_exists with what an append of the same turn made of the run", async (log) => {
    await write(log, started(newRun()));
    const [, claimed, again] = await Promise.all([
      log.append(next(1, [event("a"), event("b")])),
      log.claim(tenant, run1),
      log.append(started(newRun())),
    ]);
    expect(claimed).toEqual({ fence: 2, seq: 3 });
    expect(again).toMatchObject({ kind: "run_exists", run: { seq: 3, fence: 2, lastOffset: 3 } });
  });

  law("answers no_run for a run that is not there, and for a run of another stream", async (log) => {
    expect(await log.append(next(0, [event("x")]))).toEqual({ kind: "no_run" });
    await write(log, started(newRun()));
    expect(await log.append({ ...next(1, [event("x")]), stream: bob })).toEqual({ kind: "no_run" });
    expect(await ids(log, bob)).toEqual([]);
  });

  law("refuses a wrong seq with the right one", async (log) => {
    await write(log, started(newRun()));
    expect(await log.append(next(0, [event("x")]))).toEqual({ kind: "seq_conflict", seq: 1 });
    expect(await log.append(next(2, [event("x")]))).toEqual({ kind: "seq_conflict", seq: 1 });
    expect(await ids(log, alice)).toEqual(["id-run-1 started"]);
  });

  law("lets one of two writers at the same seq win", async (log) => {
    await write(log, started(newRun()));
    const [first, second] = await Promise.all([log.append(next(1, [event("a")])), log.append(next(1, [event("b")]))]);
    expect(first).toMatchObject({ kind: "appended", seq: 2 });
    expect(second).toEqual({ kind: "seq_conflict", seq: 2 });
  });

  law("fences the older writer after a claim, and lets the supervisor's unfenced write through", async (log) => {
    await write(log, started(newRun()));
    const claimed = await log.claim(tenant, run1);
    expect(claimed).toEqual({ fence: 2, seq: 1 });
    expect(await log.append(next(1, [event("old")], { fence: 1 }))).toEqual({ kind: "fenced", fence: 2 });
    expect(await log.append(next(1, [event("from the future")], { fence: 3 }))).toEqual({ kind: "fenced", fence: 2 });
    expect(await log.append(next(1, [event("new")], { fence: 2 }))).toMatchObject({
      kind: "appended",
      seq: 2,
      fence: 2,
    });
    expect(await log.append(next(2, [event("supervisor")]))).toMatchObject({ kind: "appended", seq: 3, fence: 2 });
  });

  law("puts a claim between the appends that were called before and after it", async (log) => {
    await write(log, started(newRun()));
    const [before, claimed, after] = await Promise.all([
      log.append(next(1, [event("before")], { fence: 1 })),
      log.claim(tenant, run1),
      log.append(next(2, [event("after")], { fence: 1 })),
    ]);
    expect(before).toMatchObject({ kind: "appended", seq: 2 });
    expect(claimed).toEqual({ fence: 2, seq: 2 });
    expect(after).toEqual({ kind: "fenced", fence: 2 });
  });

  law("finds a run to claim where it is, whatever stream an append has named for it", async (log) => {
    await write(log, started(newRun()));
    expect(await log.append({ ...next(1, [event("x")]), stream: bob })).toEqual({ kind: "no_run" });
    expect(await log.claim(tenant, run1)).toEqual({ fence: 2, seq: 1 });
    expect(await log.append(started(newRun(run1, bob)))).toMatchObject({ kind: "run_exists" });
    expect(await log.claim(tenant, run1)).toEqual({ fence: 3, seq: 1 });
  });

  law("writes nothing after the end of a run", async (log) => {
    await write(log, started(newRun()));
    await write(log, ending(1, "failed"));
    expect(await log.append(next(2, [event("late")]))).toEqual({ kind: "run_ended", ended: "failed" });
    expect(await log.claim(tenant, run1)).toBeUndefined();
    expect((await log.run(tenant, run1))?.seq).toBe(2);
  });

  law("answers a known key with where it stands, before it says ended or seq_conflict", async (log) => {
    const first = await write(log, started(newRun(), [keyed("start")]));
    const known = { digest: "digest of start", seq: 1, offset: first.offset };
    expect(await log.append(next(7, [event("x"), keyed("start", "another body")]))).toEqual({
      kind: "key_known",
      key: "start",
      known,
    });
    await write(log, next(1, [keyed("end")], { ended: "completed" }));
    const retried = await log.append(next(1, [keyed("end")], { ended: "completed", fence: 1 }));
    expect(retried).toEqual({ kind: "key_known", key: "end", known: { digest: "digest of end", seq: 2, offset: 2 } });
    expect((await ids(log, alice)).length).toBe(2);
  });

  law("tells a fenced writer that it is fenced, also when its key is known", async (log) => {
    await write(log, started(newRun(), [keyed("start")]));
    await log.claim(tenant, run1);
    expect(await log.append(next(1, [keyed("start")], { fence: 1 }))).toEqual({ kind: "fenced", fence: 2 });
  });

  law("knows a key of the same group that is not yet on disk", async (log) => {
    await write(log, started(newRun()));
    const [first, second] = await Promise.all([log.append(next(1, [keyed("k")])), log.append(next(1, [keyed("k")]))]);
    expect(first).toMatchObject({ kind: "appended" });
    expect(second).toMatchObject({ kind: "key_known", key: "k", known: { seq: 2, offset: 2 } });
  });

  law("keeps keys per run, and without a run per stream", async (log) => {
    await write(log, started(newRun(), [keyed("k", "1")]));
    await write(log, started(newRun(asRunId("run-2")), [keyed("k", "2")]));
    await write(log, { stream: alice, events: [keyed("k", "3")] });
    await write(log, { stream: bob, events: [keyed("k", "4")] });
    const again = await log.append({ stream: alice, events: [event("x"), keyed("k", "5")] });
    expect(again).toEqual({ kind: "key_known", key: "k", known: { digest: "3", seq: 0, offset: 3 } });
    const ofRun = await log.knownKeys({ tenantId: tenant, runId: run1 }, ["k", "unknown"]);
    expect([...ofRun]).toEqual([["k", { digest: "1", seq: 1, offset: 1 }]]);
    expect([...(await log.knownKeys({ stream: bob }, ["k"]))]).toEqual([["k", { digest: "4", seq: 0, offset: 1 }]]);
    expect((await log.knownKeys({ tenantId: tenant, runId: asRunId("none") }, ["k"])).size).toBe(0);
  });

  law("writes no row and no key of a batch that it refuses", async (log) => {
    await write(log, started(newRun(), [keyed("old")]));
    await log.append(next(1, [keyed("fresh"), keyed("old"), event("x")], { approvals: ["a1"], ended: "failed" }));
    expect(await ids(log, alice)).toEqual(["id-old"]);
    expect((await log.knownKeys({ tenantId: tenant, runId: run1 }, ["fresh"])).size).toBe(0);
    expect(await log.approval(tenant, "a1")).toBeUndefined();
    expect(await log.run(tenant, run1)).toMatchObject({ seq: 1, lastOffset: 1 });
    expect((await log.run(tenant, run1))?.ended).toBeUndefined();
  });

  law("commits the good appends of a group beside the refused ones", async (log) => {
    const answers = await Promise.all([
      log.append(notice(alice, "a")),
      log.append(next(0, [event("nowhere")])),
      log.append(notice(alice, "b")),
    ]);
    expect(answers.map(({ kind }) => kind)).toEqual(["appended", "no_run", "appended"]);
    expect(await ids(log, alice)).toEqual(["id-a", "id-b"]);
  });

  law("rejects what no log can hold: no events, a key twice, a creation elsewhere, a lone surrogate", async (log) => {
    const elsewhere = { ...started(newRun()), stream: bob };
    const twice = { stream: alice, events: [keyed("k"), keyed("k")] };
    const lone = { stream: alice, events: [event("x", { data: `{"text":"\ud800"}` })] };
    for (const wrong of [notice(alice), twice, elsewhere, lone]) {
      expect((await rejection(log.append(wrong))) instanceof TypeError).toBe(true);
    }
    expect((await log.position(alice)).head).toBe(0);
  });

  law("takes appends with and without fsync in one order", async (log) => {
    const answers = await Promise.all([
      write(log, { ...notice(alice, "a"), durability: "os" }),
      write(log, notice(alice, "b")),
      write(log, { ...notice(alice, "c"), durability: "os" }),
    ]);
    expect(answers.map(({ offset }) => offset)).toEqual([1, 2, 3]);
  });
}
