/**
 * `bench -- stores`, first half: appends to each store, of 1, 10 and 100 events, by one publisher that awaits each answer
 * and by 64 at once; our log and the floor in turns, in one process on the store's own server.
 */
import { percentile } from "../wire/fan-out.ts";
import { table } from "./markdown.ts";
import type { StoreUnderTest } from "./store-under-test.ts";
import type { Writer } from "./writers.ts";
import { bareWriter, ourWriter } from "./writers.ts";

const batches = [1, 10, 100] as const;
const publisherCounts = [1, 64] as const;
const warmupMs = 150;
const microsPerSecond = 1e6;

interface Figures {
  readonly eventsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the writing process with all its threads, and of the store's server. */
  readonly cpuMicros: number;
  readonly storeCpuMicros: number;
}

async function writeFor(writer: Writer, publishers: number, batch: number, ms: number): Promise<number[]> {
  const answerMs: number[] = [];
  const endMs = performance.now() + ms;
  await Promise.all(
    Array.from({ length: publishers }, async (_, publisher) => {
      while (performance.now() < endMs) {
        const startMs = performance.now();
        await writer.write(publisher, batch);
        answerMs.push(performance.now() - startMs);
      }
    }),
  );
  return answerMs;
}

async function measure(
  store: StoreUnderTest,
  writer: Writer,
  publishers: number,
  batch: number,
  ms: number,
): Promise<Figures> {
  await writeFor(writer, publishers, batch, warmupMs);
  const [storeBefore, cpuBefore, startMs] = [await store.use(), process.cpuUsage(), performance.now()];
  const answerMs = await writeFor(writer, publishers, batch, ms);
  const seconds = (performance.now() - startMs) / 1_000;
  const [cpu, storeAfter] = [process.cpuUsage(cpuBefore), await store.use()];
  const events = answerMs.length * batch;
  return {
    eventsPerSecond: events / seconds,
    p50Ms: percentile(answerMs, 0.5),
    p99Ms: percentile(answerMs, 0.99),
    cpuMicros: (cpu.user + cpu.system) / events,
    storeCpuMicros: ((storeAfter.cpuSeconds - storeBefore.cpuSeconds) * microsPerSecond) / events,
  };
}

const middle = (all: readonly Figures[], of: keyof Figures): number =>
  percentile(
    all.map((figures) => figures[of]),
    0.5,
  );

function cells(figures: readonly Figures[]): string[] {
  return [
    middle(figures, "eventsPerSecond").toFixed(0),
    middle(figures, "p50Ms").toFixed(2),
    middle(figures, "p99Ms").toFixed(2),
    middle(figures, "cpuMicros").toFixed(1),
    middle(figures, "storeCpuMicros").toFixed(1),
  ];
}

export async function appendRates(
  stores: readonly StoreUnderTest[],
  rounds: number,
  seconds: number,
  say: (line: string) => void,
): Promise<string> {
  const rows: string[][] = [];
  for (const publishers of publisherCounts)
    for (const batch of batches) {
      const measured = stores.map(() => ({ ours: [] as Figures[], bare: [] as Figures[] }));
      for (let round = 0; round < rounds; round += 1)
        for (const [index, store] of stores.entries()) {
          // One after the other: a store that is emptied may be another writer's.
          for (const side of ["bare", "ours"] as const) {
            const writer = side === "ours" ? await ourWriter(store, publishers) : await bareWriter(store);
            if (writer === undefined) continue;
            measured[index]?.[side].push(await measure(store, writer, publishers, batch, seconds * 1_000));
            await writer.close();
          }
        }
      for (const [index, store] of stores.entries()) {
        const { ours = [], bare = [] } = measured[index] ?? {};
        const floor = middle(bare, "eventsPerSecond");
        const ratio = bare.length === 0 ? "–" : (middle(ours, "eventsPerSecond") / floor).toFixed(2);
        rows.push([
          store.label,
          String(publishers),
          String(batch),
          ...cells(ours),
          bare.length === 0 ? "–" : floor.toFixed(0),
          ratio,
        ]);
        say(`  ${rows.at(-1)?.join(" | ")}`);
      }
    }
  const names = ["store", "publishers", "events/append", "events/s", "p50 ms", "p99 ms", "µs CPU/event"];
  return table([...names, "µs CPU/event, server", "bare events/s", "× bare"], rows);
}
