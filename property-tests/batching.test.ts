/**
 * Batches change how events travel and nothing else: whatever is said and whenever, frames come in order and meet, none
 * waits longer than it may, none is wider than it may be, and the run folds to what it would be without (L3, L4, L9).
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldRunView } from "../machines/run-view.ts";
import type { RunEvent, StreamEvent } from "../protocol/event.ts";
import type { RunView } from "../protocol/run-view.ts";
import { runtimeUnderTest } from "../test/support/runtime-under-test.ts";
import { parameters } from "./support/parameters.ts";

const event = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .constantFrom("m", "n")
      .map((messageId) => ({ type: "agent_delta", data: { messageId, channel: "text", text: "word " } })),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom("a", "b"), fc.nat(100))
      .map(([toolCallId, percent]) => ({ type: "tool_progress", data: { toolCallId, percent } })),
  },
  { weight: 2, arbitrary: fc.constant({ type: "x.note", data: {} }) },
  { weight: 1, arbitrary: fc.constant({ type: "agent_thinking", data: { thought: "hm" } }) },
);
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.array(event, { minLength: 1, maxLength: 8 }).map((events) => ({ kind: "say", events }) as const),
  },
  { weight: 3, arbitrary: fc.constantFrom(5, 30, 60, 200).map((ms) => ({ kind: "wait", ms }) as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "ack" } as const) },
);
const asked = fc.oneof(
  fc.constant(true as const),
  fc.record({ maxEvents: fc.integer({ min: 5, max: 20 }), maxDelayMs: fc.integer({ min: 50, max: 100 }) }),
);
/** The wheel's. */
const tickMs = 5;
const tool = (toolCallId: string) => ({ type: "tool_executing", data: { toolCallId, toolName: "t" } });

const folded = (events: readonly StreamEvent[]) =>
  events.reduce<RunView | undefined>((view, each) => foldRunView(view, each as RunEvent), undefined);

describe("batches", () => {
  it("keep order, cover, bounds and what the run folds to", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), asked, async (steps, batch) => {
        const runtime = await runtimeUnderTest({ leaseMs: 3_600_000, heartbeatMs: 300_000, windowEvents: 60 });
        const { clock, connect, publish } = runtime;
        const plain = await connect("alice", { from: "start" });
        const batched = await connect("alice", { from: "start", batch });
        const run = await runtime.start();
        await publish(run.runId, run.fence, [tool("a"), tool("b")]);
        const most = typeof batch === "object" ? batch : { maxEvents: 20, maxDelayMs: 100 };
        /** By when what was said up to an offset must have left; what leaves in between is not waited for any more. */
        let due: { readonly offset: number; readonly atMs: number }[] = [];
        let said = 3;
        const look = (): void => {
          const upto = batched.of("events").at(-1)?.upto ?? 0;
          const isBlocked = upto - acked >= 60;
          due = due.filter(({ offset }) => offset > upto);
          if (!isBlocked) for (const { atMs } of due) expect(clock.mono()).toBeLessThanOrEqual(atMs);
        };
        let acked = 0;
        for (const each of steps) {
          if (each.kind === "say") {
            ({ offset: said } = await publish(run.runId, run.fence, each.events));
            due.push({ offset: said, atMs: clock.mono() + most.maxDelayMs + tickMs });
          } else if (each.kind === "ack") {
            acked = batched.of("events").at(-1)?.upto ?? 0;
            batched.say({ type: "ack", offset: acked });
          } else {
            for (let ms = 0; ms < each.ms; ms += tickMs) {
              await clock.advance(tickMs);
              look();
            }
          }
          plain.say({ type: "ack", offset: plain.of("events").at(-1)?.upto ?? 0 });
        }
        for (let turn = 0; turn < 5; turn += 1) {
          batched.say({ type: "ack", offset: batched.of("events").at(-1)?.upto ?? 0 });
          await clock.advance(200);
        }
        let after = 0;
        for (const frame of batched.of("events")) {
          expect(frame.after).toBe(after);
          after = frame.upto;
          const offsets = frame.events.map(({ offset }) => offset);
          expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
          expect(offsets.every((offset) => offset > frame.after && offset <= frame.upto)).toBe(true);
        }
        expect(after).toBe(said);
        const all = (tab: typeof plain) => tab.of("events").flatMap(({ events }) => events);
        expect(folded(all(batched))).toEqual(folded(all(plain)));
      }),
      parameters(150),
    );
  });
});
