/**
 * L6 and L7 over the rungs of the ladder: whatever fails (the log before or after it has written, the spool, the process),
 * what was acknowledged is in the log once, at the place that was named, and nobody was shown anything else there.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asRunId, type Epoch } from "../protocol/ids.ts";
import type { Append, Appended } from "../src/log/event-log.ts";
import { memoryLog } from "../src/log/memory.ts";
import { alice, bob, event, keyed, newRun, started, tenant, wide } from "../src/testing/event-log/sample.ts";
import { spooledWorld } from "../test/support/spooled-world.ts";
import { parameters } from "./support/parameters.ts";

const streams = [alice, bob];
const runs = [0, 1, 2].map((index) => ({ id: asRunId(`run-${index}`), stream: streams[index % 2] ?? alice }));
/** The drain has come several times. */
const healMs = 6_000;
const healRounds = 8;

type Command =
  | { readonly what: "say"; readonly run: number; readonly events: number; readonly quick: boolean }
  | { readonly what: "notice"; readonly stream: number; readonly key: boolean }
  | { readonly what: "log"; readonly isDown: boolean }
  | { readonly what: "spool"; readonly isDown: boolean }
  | { readonly what: "failLog"; readonly faults: readonly ("before" | "after")[] }
  | { readonly what: "failSpool"; readonly faults: readonly ("before" | "after")[] }
  | { readonly what: "pass"; readonly ms: number }
  | { readonly what: "crash" };

const fault = fc.constantFrom("before" as const, "after" as const);
const say = fc.record({
  what: fc.constant("say" as const),
  run: fc.nat(2),
  events: fc.integer({ min: 1, max: 3 }),
  quick: fc.boolean(),
});
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: say },
  { weight: 4, arbitrary: fc.record({ what: fc.constant("notice" as const), stream: fc.nat(1), key: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("log" as const), isDown: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("spool" as const), isDown: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant("failLog" as const), faults: fc.array(fault, { maxLength: 6 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant("failSpool" as const), faults: fc.array(fault, { maxLength: 3 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ what: fc.constant("pass" as const), ms: fc.constantFrom(1, 120, 1_000, 40_000) }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("crash" as const) }) },
);

interface Said {
  readonly append: Append;
  readonly life: number;
  answer?: Appended;
}

/** What somebody was shown. */
interface Shown {
  readonly epoch: Epoch;
  readonly stream: string;
  readonly offset: number;
  readonly id: string;
  readonly isDurable: boolean;
}

async function play(commands: readonly Command[]) {
  const store = memoryLog();
  const world = await spooledWorld({ store, maxFailures: 5 });
  const said: Said[] = [];
  const shown: Shown[] = [];
  const seqs = new Map<number, number>();
  let pending: Promise<unknown>[] = [];
  let life = 0;
  let count = 0;
  const follow = (): void =>
    void world.log().watch(({ epoch, stream, events = [] }) => {
      for (const { offset, id, durability } of events)
        shown.push({ epoch, stream, offset, id, isDurable: durability === undefined });
    });
  follow();

  function append(wanted: Append, run?: number): void {
    const mine: Said = { append: wanted, life };
    said.push(mine);
    const answer = world.log().append(wanted);
    pending.push(
      answer.then(
        (appended) => {
          if (mine.life !== life) return;
          mine.answer = appended;
          if (appended.kind !== "appended" && run !== undefined) seqs.delete(run);
        },
        () => void (run !== undefined && seqs.delete(run)),
      ),
    );
  }

  /** Undefined: nobody can tell now. */
  async function seqOf(run: number): Promise<number | undefined> {
    const known = seqs.get(run);
    if (known !== undefined) return known;
    // What was said before it has an outcome first, as in `live-run`.
    for (let step = 0; step < 60 && pending.length > 0; step += 1) {
      const isOver = await Promise.race([Promise.all(pending).then(() => true), world.pass(50).then(() => false)]);
      if (isOver) pending = [];
    }
    return world
      .log()
      .run(tenant, runs[run]?.id ?? asRunId("none"))
      .then(
        (record) => record?.seq ?? 0,
        () => undefined,
      );
  }

  for (const each of commands) {
    switch (each.what) {
      case "say": {
        const run = runs[each.run];
        const seq = await seqOf(each.run);
        if (run === undefined || seq === undefined) break;
        const events = Array.from({ length: each.events }, () => event(`${(count += 1)}`));
        const durability = each.quick ? ("os" as const) : undefined;
        const target = { tenantId: tenant, runId: run.id, expectedSeq: seq, fence: 1 };
        if (seq === 0) append({ ...started(newRun(run.id, run.stream), events), durability }, each.run);
        else append({ stream: run.stream, events, run: target, durability }, each.run);
        seqs.set(each.run, seq + events.length);
        break;
      }
      case "notice": {
        const name = `${(count += 1)}`;
        append({ stream: streams[each.stream] ?? alice, events: [each.key ? keyed(name) : event(name)] });
        break;
      }
      case "log":
        world.faults().setDown(each.isDown);
        break;
      case "spool":
        world.spool.isDown = each.isDown;
        break;
      case "failLog":
        world.faults().failAppend(...each.faults);
        break;
      case "failSpool":
        world.spool.fail(...each.faults);
        break;
      case "pass":
        await world.pass(each.ms);
        break;
      case "crash": {
        life += 1;
        world.spool.isDown = false;
        seqs.clear();
        pending = [];
        await world.crash();
        follow();
      }
    }
  }
  world.faults().setDown(false);
  world.spool.isDown = false;
  // Faults that are still to come are used up; an operator closes the breakers.
  for (let round = 0; round < healRounds; round += 1) {
    for (const name of ["log", "spool"]) world.breakers().of(name).reset();
    await world.pass(healMs);
  }
  await Promise.all(pending);
  const logs = new Map(
    await Promise.all(
      streams.map(async (stream) => [stream as string, (await store.read(stream, 0, wide)).events] as const),
    ),
  );
  return { world, said, shown, logs, life, epoch: (await world.log().position(alice)).epoch };
}

describe("L6 durability over log, spool and memory", () => {
  it("has what was acknowledged once, where it was said to be, and showed nobody anything else", async () => {
    let reached = { drained: 0, direct: 0, crashes: 0, conflicts: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 60 }), async (commands) => {
        const { world, said, shown, logs, life, epoch } = await play(commands);
        const health = world.log().spoolHealth();
        expect(health).toMatchObject({ spoolEvents: 0, spoolBytes: 0 });
        expect(world.spool.texts).toEqual([]);
        const all = [...logs.values()].flat();
        const places = new Map(all.map(({ id }, index) => [id, index]));
        expect(places.size, "nothing is doubled").toBe(all.length);
        for (const events of logs.values())
          expect(events.map(({ offset }) => offset)).toEqual(events.map((_, at) => at + 1));
        for (const { append, answer, life: mine } of said) {
          if (answer?.kind !== "appended") continue;
          // What was said to have no durability may be gone with its process.
          if (answer.durability === "none" && mine !== life) continue;
          const events = logs.get(append.stream) ?? [];
          const last = append.events.at(-1)?.id ?? "";
          expect(places.has(last), `${last} was acknowledged`).toBe(true);
          if (answer.epoch !== epoch) continue;
          const first = answer.offset - append.events.length;
          expect(events.slice(first, answer.offset).map(({ id }) => id)).toEqual(append.events.map(({ id }) => id));
        }
        for (const { epoch: then, stream, offset, id } of shown)
          if (then === epoch) expect(logs.get(stream)?.[offset - 1]?.id, `${id} was shown at ${offset}`).toBe(id);
        reached = {
          drained: reached.drained + health.eventsDrained,
          direct: reached.direct + health.eventsDirect,
          crashes: reached.crashes + life,
          conflicts: reached.conflicts + health.spoolConflicts,
        };
      }),
      parameters(60),
    );
    // A search that reaches none of this proves nothing.
    expect(Math.min(reached.drained, reached.direct, reached.crashes)).toBeGreaterThan(0);
    console.info(`reached: ${JSON.stringify(reached)}`);
  });
});
