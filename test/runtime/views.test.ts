import { describe, expect, it } from "vitest";
import { asRunId } from "../../protocol/ids.ts";
import type { EventLog, RunRecord } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { Views } from "../../src/runtime/views.ts";
import { alice, event, newRun, next, run1, run2, started, tenant, write } from "../../src/testing/event-log/sample.ts";

const begin = event("begin", { type: "agent_started", data: '{"agent":"a"}' });
const delta = (text: string) =>
  event(text, { type: "agent_delta", data: JSON.stringify({ messageId: "m", channel: "text", text }) });

async function world() {
  const memory = memoryLog();
  const asked: number[] = [];
  const log: EventLog = {
    ...memory,
    readRun: (tenantId, runId, afterSeq, limit) => {
      asked.push(afterSeq);
      return memory.readRun(tenantId, runId, afterSeq, limit);
    },
  };
  const stalled = new Set<string>();
  const views = new Views(log, ({ runId }) => stalled.has(runId));
  await write(log, started(newRun(), [begin, delta("a"), delta("b")]));
  const record = async () => (await memory.run(tenant, run1)) as RunRecord;
  const textAt = async (of: RunRecord) => (await views.view(of))?.messages[0]?.text;
  return { log, views, asked, stalled, record, textAt };
}

describe("the views of runs", () => {
  it("fold a run up to its record, and from there on the next time", async () => {
    const { log, asked, record, textAt } = await world();
    expect(await textAt(await record())).toBe("ab");
    await write(log, next(3, [delta("c")]));
    expect(await textAt(await record())).toBe("abc");
    expect(await textAt(await record())).toBe("abc");
    expect(asked).toEqual([0, 3]);
  });

  it("go no further than the record that was asked for, though more is known", async () => {
    const { log, record, textAt } = await world();
    const before = await record();
    await write(log, next(3, [delta("c")]));
    expect(await textAt(await record())).toBe("abc");
    expect(await textAt(before)).toBe("ab");
    expect(await textAt(await record())).toBe("abc");
  });

  it("forget a run that has ended", async () => {
    const { log, asked, record, textAt } = await world();
    await textAt(await record());
    await write(log, next(3, [event("end", { type: "agent_completed", data: "{}" })], { ended: "completed" }));
    expect(await textAt(await record())).toBe("ab");
    expect(await textAt(await record())).toBe("ab");
    expect(asked).toEqual([0, 3, 0]);
  });

  it("are none of a run without events", async () => {
    const { views, record } = await world();
    expect(await views.view({ ...(await record()), runId: asRunId("nobody") })).toBeUndefined();
  });

  it("say which run is stalled, and of all that live in a stream at once", async () => {
    const { log, views, stalled } = await world();
    await write(log, started(newRun(run2), [begin]));
    stalled.add(run2);
    const { at, runs } = await views.living(alice);
    expect(at).toBe(4);
    expect(runs.map(({ runId, stalled: isStalled }) => [runId, isStalled])).toEqual([
      [run1, undefined],
      [run2, true],
    ]);
  });

  it("keep 256 folds, and let the oldest go", async () => {
    const { log, views, asked } = await world();
    const records: RunRecord[] = [];
    for (let at = 0; at < 257; at += 1) {
      const runId = asRunId(`many-${at}`);
      await write(log, started(newRun(runId), [begin]));
      records.push((await log.run(tenant, runId)) as RunRecord);
    }
    for (const record of records) await views.view(record);
    asked.length = 0;
    for (const record of [records[256], records[1]]) if (record) await views.view(record);
    expect(asked).toEqual([]);
    if (records[0]) await views.view(records[0]);
    expect(asked).toEqual([0]);
  });
});
