import { describe, expect, it } from "vitest";
import { asRunId, asTenantId } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { completed, delta, keyed, note, thinking } from "../support/events.ts";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";

describe("a fence", () => {
  it("shuts the older runner out after a claim (L14)", async () => {
    const { start, publish, call, parts } = await runtimeUnderTest();
    const { runId } = await start();
    await publish(runId, 1, [thinking]);
    const claimed = await call(parts.service.claim(publisher, undefined, asRunId(runId)));
    expect(claimed).toMatchObject({ fence: 2, seq: 2, snapshot: { runId, state: "thinking", seq: 2 } });
    await expect(publish(runId, 1, [delta("old")])).rejects.toMatchObject({ _tag: "Fenced" });
    const beat = call(parts.service.heartbeat(publisher, undefined, asRunId(runId), { fence: 1 }));
    await expect(beat).rejects.toMatchObject({ _tag: "Fenced" });
    expect(await publish(runId, 2, [completed])).toMatchObject({ seq: 3 });
    // Nothing can be written any more, whoever asks.
    await expect(publish(runId, 1, [note()])).rejects.toMatchObject({ _tag: "RunEnded" });
  });

  it("is asked before keys: a fenced writer learns that first", async () => {
    const { start, publish, call, parts } = await runtimeUnderTest();
    const { runId } = await start();
    await publish(runId, 1, [keyed("k", thinking)]);
    await call(parts.service.claim(publisher, undefined, asRunId(runId)));
    await expect(publish(runId, 1, [keyed("k", thinking)])).rejects.toMatchObject({ _tag: "Fenced" });
    expect(await publish(runId, 2, [keyed("k", thinking)])).toMatchObject({ duplicates: 1 });
  });

  it("must be equal, not alike", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    for (const fence of ["1", 0, 2, 1.5, "", -1])
      await expect(publish(runId, fence, [note()])).rejects.toMatchObject({ _tag: "Fenced" });
  });

  it("lets exactly one of two runners write, in whatever order they and the claim arrive", async () => {
    const { start, publish, call, parts, log } = await runtimeUnderTest();
    const { runId } = await start();
    const old = Array.from({ length: 20 }, (_, index) => publish(runId, 1, [delta(`old ${index}`)]));
    const claim = call(parts.service.claim(publisher, undefined, asRunId(runId)));
    const late = Array.from({ length: 20 }, (_, index) => publish(runId, 1, [delta(`late ${index}`)]));
    const { fence, seq } = await claim;
    const settled = await Promise.allSettled([...old, ...late]);
    const written = settled.flatMap((each) => (each.status === "fulfilled" ? each.value.seq : []));
    // Whatever the older runner was told is written, stands before the claim.
    for (const each of written) expect(each).toBeLessThanOrEqual(seq);
    expect(await publish(runId, fence, [note()])).toMatchObject({ seq: seq + 1 });
    expect(await log.run(asTenantId("default"), asRunId(runId))).toMatchObject({ fence: 2 });
  });

  it("grows with every claim, and only the newest holds", async () => {
    const { start, publish, call, parts } = await runtimeUnderTest();
    const { runId } = await start();
    const claims = await Promise.all(
      [1, 2, 3].map(() => call(parts.service.claim(publisher, undefined, asRunId(runId)))),
    );
    expect(claims.map(({ fence }) => fence)).toEqual([2, 3, 4]);
    for (const fence of [1, 2, 3])
      await expect(publish(runId, fence, [note()])).rejects.toMatchObject({ _tag: "Fenced" });
    expect(await publish(runId, 4, [note()])).toMatchObject({ seq: 2 });
  });

  it("survives a restart", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ log });
    const { runId } = await before.start();
    await before.call(before.parts.service.claim(publisher, undefined, asRunId(runId)));
    const after = await runtimeUnderTest({ log });
    await expect(after.publish(runId, 1, [note()])).rejects.toMatchObject({ _tag: "Fenced" });
    expect(await after.publish(runId, 2, [note()])).toMatchObject({ seq: 2 });
  });

  it("cannot be claimed for a run that is over or was never made", async () => {
    const { start, publish, call, parts } = await runtimeUnderTest();
    const { runId } = await start();
    await publish(runId, 1, [completed]);
    const claim = (id: string) => call(parts.service.claim(publisher, undefined, asRunId(id)));
    await expect(claim(runId)).rejects.toMatchObject({ _tag: "RunEnded", state: "completed" });
    await expect(claim("never-made")).rejects.toMatchObject({ _tag: "NotFound" });
  });

  it("does not count a claim that meets the end of the run", async () => {
    const { start, publish, call, parts } = await runtimeUnderTest();
    const { runId } = await start();
    const [end, claim] = await Promise.allSettled([
      publish(runId, 1, [completed]),
      call(parts.service.claim(publisher, undefined, asRunId(runId))),
    ]);
    expect(end.status).toBe("fulfilled");
    expect(claim).toMatchObject({ status: "rejected", reason: { _tag: "RunEnded" } });
  });
});
