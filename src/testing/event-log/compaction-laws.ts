/** The laws of compaction: fewer events, the same story, from wherever one reads it (L3, L4, L5, L9). */
import { asDeviceId } from "../../../protocol/ids.ts";
import { parseTrusted } from "../../../protocol/json.ts";
import type { EventLog, NewEvent, ReadLimit, StoredEvent } from "../../log/event-log.ts";
import type { LawBook } from "./law.ts";
import { alice, event, newRun, next, notice, run1, run2, started, tenant, time, wide, write } from "./sample.ts";

const later = "2026-11-25T10:00:00.000Z";
const due = { endedBefore: later, maxEvents: 1_000 };
const maxSlices = 1_000;

/** `data` is put together by hand: half a character must reach the log as the escape that it is. */
function delta(text: string, messageId = "m1", channel = "text", more: Partial<NewEvent> = {}): NewEvent {
  const data = `{"messageId":"${messageId}","channel":"${channel}","text":${JSON.stringify(text)}}`;
  return event(text, { type: "agent_delta", data, ...more });
}

/** What a reader makes of events: each text by its message and channel, everything else as it came. */
class Folded {
  readonly texts = new Map<string, string>();
  readonly others: string[] = [];
  last = 0;

  take(events: readonly StoredEvent[]): this {
    for (const { type, data, id, offset, seq } of events) {
      if (offset <= this.last) throw new Error(`offset ${offset} came after ${this.last}`);
      this.last = offset;
      if (type !== "agent_delta") {
        this.others.push(`${offset} ${seq ?? ""} ${type} ${id} ${data}`);
        continue;
      }
      const { messageId, channel, text } = parseTrusted(data) as { messageId: string; channel: string; text: string };
      const name = `${messageId} ${channel}`;
      this.texts.set(name, (this.texts.get(name) ?? "") + text);
    }
    return this;
  }

  get all(): unknown {
    return { texts: [...this.texts], others: this.others };
  }
}

/** A run with everything that must part two deltas, between stretches of what must join. */
async function tell(log: EventLog): Promise<number> {
  const batches: NewEvent[][] = [
    [delta("It "), delta("is ")],
    [delta("a "), delta("\ud83d")],
    [delta("\ude00"), delta("", "m1")],
    [delta("thought", "m1", "reasoning"), delta("!", "m1", "reasoning")],
    [event("tool", { type: "tool_executing", data: `{"toolCallId":"c","toolName":"t"}` })],
    [
      delta("Another "),
      delta("part", "m1", "text", { data: `{"messageId":"m1","channel":"text","text":"part","x":1}` }),
    ],
    [delta("second", "m2"), delta(" message", "m2"), delta("threaded", "m2", "text", { threadId: "t" })],
    [delta("keyed ", "m3", "text", { key: { name: "k1", digest: "d1" } })],
    [
      delta("twice", "m3", "text", { key: { name: "k2", digest: "d2" } }),
      delta("repaired", "m3", "text", { repaired: true }),
    ],
  ];
  let { seq } = await write(log, started(newRun(), [event("begin")]));
  for (const [index, events] of batches.entries()) {
    ({ seq } = await write(log, next(seq, events)));
    if (index === 1 || index === 6) await write(log, notice(alice, `notice ${index}`));
  }
  const { offset } = await write(log, next(seq, [event("end")], { ended: "completed" }));
  return offset;
}

async function compactAll(log: EventLog, maxEvents = due.maxEvents): Promise<{ merged: number; slices: number }> {
  let merged = 0;
  for (let slices = 1; slices <= maxSlices; slices += 1) {
    const done = await log.compact({ ...due, maxEvents });
    merged += done.merged;
    if (!done.more) return { merged, slices };
  }
  throw new Error("compaction never ends");
}

/** All from `after` on, page by page, checking that each page says how far it goes. */
async function readAll(log: EventLog, after: number, limit: ReadLimit): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for (let from = after; ; ) {
    const { events, upto, head } = await log.read(alice, from, limit);
    all.push(...events);
    if ((events.at(-1)?.offset ?? 0) > upto) throw new Error("an event beyond its range");
    if (upto >= head) return all;
    if (upto <= from) throw new Error(`a page after ${from} that goes to ${upto}`);
    from = upto;
  }
}

export function compactionLaws({ law, expect }: LawBook): void {
  law("joins neighbouring deltas of one text, and keeps everything else to the letter", async (log) => {
    await tell(log);
    const before = (await log.read(alice, 0, wide)).events;
    const whole = new Folded().take(before).all;
    const { merged } = await compactAll(log);
    const { events, upto, head } = await log.read(alice, 0, wide);
    // Behind "a ", between "second message" and its thread, stand a notice and another thread: those do not join.
    expect(events.map(({ offset, type }) => [offset, type])).toEqual([
      [1, "agent_thinking"],
      [5, "agent_delta"],
      [6, "x.notice"],
      [8, "agent_delta"],
      [10, "agent_delta"],
      [11, "tool_executing"],
      [12, "agent_delta"],
      [13, "agent_delta"],
      [15, "agent_delta"],
      [16, "agent_delta"],
      [17, "x.notice"],
      [19, "agent_delta"],
      [20, "agent_delta"],
      [21, "agent_thinking"],
    ]);
    expect(merged).toBe(before.length - events.length);
    expect([upto, head]).toEqual([21, 21]);
    expect(new Folded().take(events).all).toEqual(whole);
    // A merged one bears the place and the name of its last.
    const raw = new Map(before.map((one) => [one.offset, one]));
    for (const one of events) {
      const { data: _, ...named } = one;
      const { data: __, ...was } = raw.get(one.offset) ?? one;
      expect(named).toEqual(was);
    }
    expect(await compactAll(log)).toEqual({ merged: 0, slices: 1 });
  });

  law("gives every reader exactly the rest: from each offset, in pages of any size (L9)", async (log) => {
    const head = await tell(log);
    const raw = (await log.read(alice, 0, wide)).events;
    const whole = new Folded().take(raw).all;
    await compactAll(log);
    for (const maxEvents of [1, 2, 100]) {
      for (let cut = 0; cut <= head; cut += 1) {
        const reader = new Folded().take(raw.filter(({ offset }) => offset <= cut));
        reader.take(await readAll(log, cut, { maxEvents, maxBytes: maxEvents === 2 ? 1 : 10_000 }));
        expect([cut, reader.all]).toEqual([cut, whole]);
        expect(reader.last).toBe(head);
      }
    }
  });

  law("gives every reader of a run the rest from each seq", async (log) => {
    await tell(log);
    const raw = await log.readRun(tenant, run1, 0, wide);
    const whole = new Folded().take(raw).all;
    await compactAll(log);
    for (let cut = 0; cut <= raw.length; cut += 1) {
      const reader = new Folded().take(raw.slice(0, cut));
      for (let seq = cut; seq < raw.length; ) {
        const page = await log.readRun(tenant, run1, seq, { maxEvents: 2, maxBytes: 10_000 });
        reader.take(page);
        seq = page.at(-1)?.seq ?? Number.NaN;
      }
      expect([cut, reader.all]).toEqual([cut, whole]);
    }
    expect((await log.readRun(tenant, run1, raw.length, wide)).length).toBe(0);
  });

  law("changes neither the ledger, nor the record, nor what a key answers", async (log) => {
    const offset = await tell(log);
    // In the middle of a stretch that will be one event.
    await log.saveCursors([{ stream: alice, device: asDeviceId("d"), offset: 4 }]);
    const facts = async () => ({
      ledger: [await log.ledger(), await log.ledger(alice)],
      record: await log.run(tenant, run1),
      position: await log.position(alice),
      keys: [...(await log.knownKeys({ tenantId: tenant, runId: run1 }, ["k1", "k2"]))],
      repeated: await log.append(next(17, [delta("keyed ", "m3", "text", { key: { name: "k1", digest: "d1" } })])),
    });
    const before = await facts();
    expect(before.keys.map(([name, { offset: place }]) => [name, place])).toEqual([
      ["k1", 18],
      ["k2", 19],
    ]);
    await compactAll(log);
    expect(await facts()).toEqual(before);
    await log.saveCursors([{ stream: alice, device: asDeviceId("d"), offset: 19 }]);
    expect(await log.ledger(alice)).toEqual({ accepted: offset, acked: 19, stored: offset - 19, deadLettered: 0 });
  });

  law("leaves alone what lives, and what has ended just now", async (log) => {
    const { seq } = await write(log, started(newRun(), [delta("a"), delta("b")]));
    await write(log, started(newRun(run2), [delta("c"), delta("d")]));
    await write(log, next(2, [event("end")], { runId: run2, ended: "completed" }));
    expect(await log.compact({ endedBefore: time, maxEvents: 100 })).toEqual({ merged: 0, more: false });
    expect(await log.compact(due)).toEqual({ merged: 1, more: false });
    expect((await log.read(alice, 0, wide)).events.map(({ offset }) => offset)).toEqual([1, 2, 4, 5]);
    await write(log, next(seq, [delta("e")], { ended: "completed" }));
    expect(await log.compact(due)).toEqual({ merged: 1, more: false });
    expect((await log.read(alice, 0, wide)).events.map(({ offset }) => offset)).toEqual([2, 4, 5, 6]);
  });

  law("works in slices, the same story after each of them", async (log) => {
    const tokens = Array.from({ length: 600 }, (_, index) => `${index} `);
    await write(log, started(newRun(), [event("begin")]));
    await Promise.all(tokens.map((token, index) => write(log, next(index + 1, [delta(token)]))));
    await write(log, next(601, [event("end")], { ended: "completed" }));
    const whole = new Folded().take((await log.read(alice, 0, wide)).events).all;
    let slices = 0;
    let more = true;
    for (; more; slices += 1) {
      ({ more } = await log.compact({ ...due, maxEvents: 50 }));
      const reader = new Folded().take(await readAll(log, 0, { maxEvents: 7, maxBytes: 500 }));
      expect(reader.all).toEqual(whole);
      expect(await log.ledger(alice)).toMatchObject({ accepted: 602, stored: 602 });
    }
    const { events } = await log.read(alice, 0, wide);
    expect(events.length < 60).toBe(true);
    for (const cut of [1, 2, 100, 300, 511, 512, 513, 514, 600, 601]) {
      const [first] = (await log.read(alice, cut, wide)).events;
      if (first?.type !== "agent_delta") continue;
      const { text } = parseTrusted(first.data) as { text: string };
      expect(text.startsWith(tokens[cut - 1] ?? "none")).toBe(true);
    }
  });

  law("gives pages as full as they are asked for, behind merged deltas and from within them", async (log) => {
    await write(log, started(newRun(), [event("begin")]));
    await write(log, next(1, [delta("a"), delta("b"), delta("c"), delta("d")]));
    await write(log, next(5, [event("end")], { ended: "completed" }));
    await write(log, notice(alice, "n1", "n2", "n3"));
    await compactAll(log);
    for (const [after, offsets] of [
      [0, [1, 5, 6, 7, 8, 9]],
      [3, [5, 6, 7, 8, 9]],
      [7, [8, 9]],
    ] as const) {
      for (let maxEvents = 1; maxEvents <= offsets.length; maxEvents += 1) {
        const { events } = await log.read(alice, after, { ...wide, maxEvents });
        expect(events.map(({ offset }) => offset)).toEqual(offsets.slice(0, maxEvents));
        const ofRun = offsets.filter((offset) => offset <= 6).slice(0, maxEvents);
        const page = await log.readRun(tenant, run1, after, { ...wide, maxEvents });
        expect(page.map(({ offset }) => offset)).toEqual(ofRun);
      }
    }
  });

  law("retires what was compacted", async (log) => {
    const offset = await tell(log);
    await compactAll(log);
    await write(log, notice(alice, "young", "younger"));
    const { streams } = await log.retire({ before: later, now: later, maxEvents: 1_000 });
    expect(streams).toEqual([{ stream: alice, from: 1, upto: offset + 2, deadLettered: offset + 2 }]);
    expect(await log.ledger()).toEqual({ accepted: offset + 2, acked: 0, stored: 0, deadLettered: offset + 2 });
  });
}
