import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldRunView } from "../../machines/run-view.ts";
import type { RunEvent } from "../../protocol/event.ts";
import type { RunView } from "../../protocol/run-view.ts";
import type { StartPoint } from "../../src/client/stream-position.ts";
import { clientUnderTest } from "../support/client-under-test.ts";
import { sampleRun, type StreamStep, streamOf } from "../support/sample-stream.ts";
import { type ScriptedConnection, welcome } from "../support/scripted-server.ts";

type CutKind = "close" | "terminate" | "insideFrame";
interface Life {
  /** How many events each frame of this connection carries. */
  readonly frames: readonly number[];
  readonly repeats: boolean;
  readonly cut: CutKind;
}

/** Several runs at once, each in its own order. */
const streams = fc
  .tuple(fc.array(fc.nat(6), { minLength: 1, maxLength: 3 }), fc.infiniteStream(fc.nat(2)))
  .map(([deltaCounts, choices]) => {
    const left = deltaCounts.map((count, run) => ({ runId: `r-${run}`, steps: [...sampleRun(count)] }));
    const steps: StreamStep[] = [];
    for (const choice of choices) {
      const living = left.filter(({ steps: rest }) => rest.length > 0);
      const chosen = living[choice % Math.max(living.length, 1)];
      const input = chosen?.steps.shift();
      if (chosen === undefined || input === undefined) break;
      steps.push({ runId: chosen.runId, input });
    }
    return streamOf(steps);
  });

const lives: fc.Arbitrary<readonly Life[]> = fc.array(
  fc.record({
    frames: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 }),
    repeats: fc.boolean(),
    cut: fc.constantFrom<CutKind>("close", "terminate", "insideFrame"),
  }),
  { maxLength: 5 },
);

function viewsAt(log: readonly RunEvent[], upto: number): readonly RunView[] {
  const views = new Map<string, RunView>();
  for (const event of log.slice(0, upto)) views.set(event.runId, foldRunView(views.get(event.runId), event));
  return [...views.values()];
}

/** Consecutive deltas of one message as one, which bears the last offset it covers. */
function merged(events: readonly RunEvent[]): readonly RunEvent[] {
  const out: RunEvent[] = [];
  for (const event of events) {
    const last = out.at(-1);
    const joins =
      last?.type === "agent_delta" && event.type === "agent_delta" && last.runId === event.runId
        ? { ...event, data: { ...event.data, text: last.data.text + event.data.text } }
        : undefined;
    if (joins) out.splice(-1, 1, joins);
    else out.push(event);
  }
  return out;
}

/** One connection as the contract has it, with the frames that the life says. True: all of the log was sent. */
async function serve(
  connection: ScriptedConnection,
  log: readonly RunEvent[],
  life: Life | undefined,
  merges: boolean,
) {
  const { cursor, from } = await connection.frame("hello");
  const head = log.length;
  let after = cursor?.offset ?? 0;
  if (cursor) connection.send(welcome({ resumed: "replayed", head }));
  else if (from === "start") connection.send(welcome({ resumed: "fresh", head }));
  else {
    after = Math.floor(head / 2);
    const runs = viewsAt(log, after).filter(({ endedBy }) => endedBy === undefined);
    connection.send(welcome({ resumed: "snapshot", head }), { type: "snapshot", at: after, runs });
  }
  for (const size of life?.frames ?? [head]) {
    const events = log.slice(after, after + size);
    const upto = after + events.length;
    connection.events(merges ? merged(events) : events, { after, upto });
    if (life?.repeats && !merges) connection.events(events, { after, upto });
    after = upto;
  }
  if (life === undefined) return;
  await connection.settled();
  if (life.cut === "insideFrame") connection.half(JSON.stringify({ type: "events", after, upto: after + 1 }));
  if (life.cut === "close") connection.close(1012);
  else connection.cut();
}

/** The client after it lived through all of it and came to the end. */
async function lived(log: readonly RunEvent[], plan: readonly Life[], from: StartPoint, merges: boolean) {
  await using world = await clientUnderTest({ from, random: () => 0 });
  const { client, server, timers } = world;
  const seen: RunEvent[] = [];
  client.on("status", ({ state }) => {
    if (state === "waiting") queueMicrotask(() => timers.advance(0));
  });
  const reading = (async () => {
    for await (const event of client.events()) {
      if (event.runId !== undefined) seen.push(event);
      if (event.offset === log.length) break;
    }
  })();
  for (const life of [...plan, undefined]) await serve(await server.connection(), log, life, merges);
  await reading;
  return { seen, views: client.runs(), status: client.status };
}

const byRun = (views: readonly RunView[]) => [...views].sort((a, b) => a.runId.localeCompare(b.runId));

describe("client that was cut anywhere", () => {
  it("hands over exactly the sequence of one that never was, and folds to the same views (L3, L4, L5, L9)", async () => {
    await fc.assert(
      fc.asyncProperty(streams, lives, async (log, plan) => {
        const { seen, views, status } = await lived(log, plan, "start", false);
        expect(seen).toEqual(log);
        expect(byRun(views)).toEqual(byRun(viewsAt(log, log.length)));
        expect(status.holes).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it("folds a snapshot and merged deltas to the views of one that saw each event (L9)", async () => {
    await fc.assert(
      fc.asyncProperty(streams, lives, async (log, plan) => {
        const { views } = await lived(log, plan, "active", true);
        const whole = new Map(viewsAt(log, log.length).map((view) => [view.runId as string, view]));
        for (const view of views) expect(view).toEqual(whole.get(view.runId));
        const began = new Set(log.slice(Math.floor(log.length / 2)).map(({ runId }) => runId));
        expect(new Set(views.map(({ runId }) => runId))).toEqual(began);
      }),
      { numRuns: 40 },
    );
  });
});
