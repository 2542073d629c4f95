import { describe, expect, it } from "vitest";
import { memoryLog } from "../../src/log/memory.ts";
import { runPages } from "../../src/log/run-pages.ts";
import {
  event,
  newRun,
  next,
  notice,
  alice,
  run1,
  started,
  tenant,
  write,
} from "../../src/testing/event-log/sample.ts";

/** A run of `count` events with a notice between each two batches, so its seqs are not its offsets. */
async function logOf(count: number, batch = 500) {
  const log = memoryLog();
  await write(log, started(newRun()));
  for (let seq = 1; seq < count; ) {
    await write(log, notice(alice, `n${seq}`));
    const events = Array.from({ length: Math.min(batch, count - seq) }, (_, at) => event(`${seq + at}`));
    seq = (await write(log, next(seq, events))).seq;
  }
  const record = await log.run(tenant, run1);
  if (record === undefined) throw new Error("no run");
  return { log, record };
}

async function seqsOf(
  pages: AsyncIterable<readonly { readonly seq?: number | undefined }[]>,
): Promise<(number | undefined)[][]> {
  const all: (number | undefined)[][] = [];
  for await (const page of pages) all.push(page.map(({ seq }) => seq));
  return all;
}
const dense = (from: number, upto: number) => Array.from({ length: upto + 1 - from }, (_, at) => from + at);

describe("the pages of a run", () => {
  it("hold every event after the seq that was asked for, once and in order, a thousand a page", async () => {
    const { log, record } = await logOf(2_300);
    const pages = await seqsOf(runPages(log, record, 100));
    expect(pages.map(({ length }) => length)).toEqual([1_000, 1_000, 200]);
    expect(pages.flat()).toEqual(dense(101, 2_300));
  });

  it("end where the record ends, though the run went on", async () => {
    const { log, record } = await logOf(5);
    await write(log, next(5, [event("later"), event("last")]));
    expect((await seqsOf(runPages(log, record, 0))).flat()).toEqual(dense(1, 5));
    expect((await seqsOf(runPages(log, { ...record, seq: 7 }, 5))).flat()).toEqual([6, 7]);
  });

  it("are none when nothing lies behind the seq", async () => {
    const { log, record } = await logOf(5);
    expect(await seqsOf(runPages(log, record, 5))).toEqual([]);
    expect(await seqsOf(runPages(log, record, 9))).toEqual([]);
  });

  it("end when the log has less than the record says", async () => {
    const { log, record } = await logOf(5);
    expect((await seqsOf(runPages(log, { ...record, seq: 9 }, 0))).flat()).toEqual(dense(1, 5));
  });
});
