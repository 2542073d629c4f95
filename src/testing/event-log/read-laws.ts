/** The laws of reading: to the letter, dense, bounded, and never across an owner (L4, L8). */
import { asDeviceId, asRunId, asTenantId, asUserId, streamKey } from "../../../protocol/ids.ts";
import type { StoredEvent } from "../../log/event-log.ts";
import type { LawBook } from "./law.ts";
import { alice, event, ids, newRun, next, notice, run1, started, tenant, time, wide, write } from "./sample.ts";

const mebibyte = 2 ** 20;

/** JSON texts that a careless store changes: escapes, spacing, key order, big numbers, names of Object. */
const oddTexts = [
  String.raw`{"text":"\u0000 and \ud800 and \udc00\ud800 stay escapes"}`,
  `{"text":"héllo – 😀 \u2028 \u00a0 ﷽ e\u0301 é"}`,
  `{ "b" : 1.0e0 ,\n "a":12345678901234567890, "a": -0 }`,
  `{"__proto__":{"x":1},"quote":"'\\";--","percent":"%s"}`,
  "{}",
];

export function readLaws({ law, expect }: LawBook): void {
  law("knows a stream that nobody wrote to: first 1, head 0", async (log) => {
    expect(await log.position(alice)).toMatchObject({ first: 1, head: 0 });
    expect(await log.read(alice, 0, wide)).toMatchObject({ first: 1, head: 0, events: [] });
    expect(await log.living(alice)).toMatchObject({ head: 0, runs: [] });
  });

  law("reads after an offset: before the first, at the head and beyond it", async (log) => {
    await write(log, notice(alice, "a", "b", "c"));
    const offsets = async (after: number) => (await log.read(alice, after, wide)).events.map(({ offset }) => offset);
    expect(await offsets(-1)).toEqual([1, 2, 3]);
    expect(await offsets(0)).toEqual([1, 2, 3]);
    expect(await offsets(2)).toEqual([3]);
    expect(await offsets(3)).toEqual([]);
    expect(await offsets(4)).toEqual([]);
    expect(await offsets(Number.MAX_SAFE_INTEGER)).toEqual([]);
    expect((await log.read(alice, 99, wide)).head).toBe(3);
  });

  law("stops at maxEvents and at maxBytes, and gives one event whatever its size", async (log) => {
    const data = (chars: number) => JSON.stringify("x".repeat(chars - 2));
    await write(log, {
      stream: alice,
      events: [100, 50, 50, 10].map((chars) => event(`${chars}`, { data: data(chars) })),
    });
    const count = async (after: number, maxEvents: number, maxBytes: number) =>
      (await log.read(alice, after, { maxEvents, maxBytes })).events.length;
    expect(await count(0, 2, 1_000)).toBe(2);
    expect(await count(0, 10, 1)).toBe(1);
    expect(await count(0, 10, 149)).toBe(1);
    expect(await count(0, 10, 150)).toBe(2);
    expect(await count(1, 10, 100)).toBe(2);
    expect(await count(1, 10, 110)).toBe(3);
  });

  law("gives every field back as it was handed in, and none that was not", async (log) => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await write(
      log,
      started(newRun(), [event("full", { threadId: "t 1", repaired: true, traceparent }), event("bare")]),
    );
    const { events } = await log.read(alice, 0, wide);
    const common = { type: "agent_thinking", time, runId: run1 };
    const full = {
      ...common,
      id: "id-full",
      data: `{"name":"full"}`,
      offset: 1,
      seq: 1,
      threadId: "t 1",
      repaired: true,
    };
    expect(events[0]).toEqual({ ...full, traceparent });
    expect(events[1]).toEqual({ ...common, id: "id-bare", data: `{"name":"bare"}`, offset: 2, seq: 2 });
    expect(Object.keys(events[1] ?? {}).toSorted()).toEqual(["data", "id", "offset", "runId", "seq", "time", "type"]);
  });

  law("gives JSON text back to the letter", async (log) => {
    await write(log, { stream: alice, events: oddTexts.map((data, index) => event(`${index}`, { data })) });
    const { events } = await log.read(alice, 0, wide);
    expect(events.map(({ data }) => data)).toEqual(oddTexts);
  });

  law("takes an event of a mebibyte and one of two bytes in the same batch", async (log) => {
    const big = JSON.stringify({ text: "é".repeat(mebibyte) });
    await write(log, { stream: alice, events: [event("big", { data: big }), event("small", { data: "{}" })] });
    const { events } = await log.read(alice, 0, wide);
    expect(events.map(({ data }) => data === big || data)).toEqual([true, "{}"]);
  });

  law("never mixes owners whose names look alike", async (log) => {
    const pairs = [
      ["a:b", "c"],
      ["a", "b:c"],
      ["a", "B:c"],
      ["A", "b:c"],
      ["1:a", ""],
      ["é", "x"],
      ["e\u0301", "x"],
      ["' OR 1=1 --", `"; DROP TABLE events; '`],
      ["tenant", "trailing "],
      ["tenant", "trailing"],
      ["..", "*"],
      ["%", "_"],
      ["%", "{}"],
      ["😀", "\u{1F600}\u200d"],
      ["__proto__", "constructor"],
    ] as const;
    for (const [t, user] of pairs) {
      const stream = streamKey(asTenantId(t), asUserId(user));
      await write(
        log,
        started(newRun(asRunId("same"), stream, { tenantId: asTenantId(`${t}|${user}`) }), [event(stream)]),
      );
      await log.saveCursors([{ stream, device: asDeviceId("d"), offset: 1 }]);
    }
    for (const [t, user] of pairs) {
      const stream = streamKey(asTenantId(t), asUserId(user));
      expect(await ids(log, stream)).toEqual([`id-${stream}`]);
      const own = await log.readRun(asTenantId(`${t}|${user}`), asRunId("same"), 0, wide);
      expect(own.map(({ id }) => id)).toEqual([`id-${stream}`]);
      expect((await log.run(asTenantId(`${t}|${user}`), asRunId("same")))?.stream).toBe(stream);
    }
  });

  law("keeps run ids apart that differ only in case", async (log) => {
    await write(log, started(newRun(asRunId("Run"))));
    expect(await log.run(tenant, asRunId("run"))).toBeUndefined();
    await write(log, started(newRun(asRunId("run"))));
    expect((await log.run(tenant, asRunId("Run")))?.runId).toBe("Run");
  });

  law("reads one run out of a shared stream, after a seq and within the limit", async (log) => {
    await write(log, started(newRun()));
    await write(log, started(newRun(asRunId("run-2"))));
    for (let seq = 1; seq < 20; seq++) {
      await write(log, next(seq, [event(`one ${seq}`)]));
      await write(log, next(seq, [event(`two ${seq}`)], { runId: asRunId("run-2") }));
    }
    const seqs = (events: readonly StoredEvent[]) => events.map(({ seq }) => seq);
    const all = await log.readRun(tenant, run1, 0, wide);
    expect(seqs(all)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(new Set(all.map(({ runId }) => runId)).size).toBe(1);
    expect(seqs(await log.readRun(tenant, run1, 17, wide))).toEqual([18, 19, 20]);
    expect(seqs(await log.readRun(tenant, run1, 3, { maxEvents: 2, maxBytes: 1_000 }))).toEqual([4, 5]);
    expect(seqs(await log.readRun(tenant, run1, 3, { maxEvents: 9, maxBytes: 1 }))).toEqual([4]);
    expect(seqs(await log.readRun(tenant, run1, -1, wide)).length).toBe(20);
    expect(await log.readRun(tenant, run1, 20, wide)).toEqual([]);
    expect(await log.readRun(tenant, asRunId("none"), 0, wide)).toEqual([]);
    expect(await log.readRun(asTenantId("other"), run1, 0, wide)).toEqual([]);
  });

  law("reads a stream of ten thousand events in pages without a hole or a double", async (log) => {
    const total = 10_000;
    const batch = 500;
    await Promise.all(
      Array.from({ length: total / batch }, (_, part) =>
        write(log, {
          stream: alice,
          events: Array.from({ length: batch }, (_, at) => event(`${part * batch + at + 1}`)),
        }),
      ),
    );
    let after = 0;
    for (;;) {
      const { events, head } = await log.read(alice, after, { maxEvents: 700, maxBytes: mebibyte });
      expect(head).toBe(total);
      if (events.length === 0) break;
      for (const { offset, id } of events) {
        after += 1;
        if (offset !== after || id !== `id-${after}`)
          expect({ offset, id }).toEqual({ offset: after, id: `id-${after}` });
      }
    }
    expect(after).toBe(total);
  });
}
