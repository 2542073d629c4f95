/**
 * L14: fenced. With several runners for a run, and servers that do not know of each other, at most one can write: from
 * a claim on, nothing of an older fence is written, and no event of an older fence follows one of a newer.
 */
import * as Effect from "effect/Effect";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePublish } from "../protocol/codec.ts";
import { asRunId, asTenantId } from "../protocol/ids.ts";
import { parseTrusted } from "../protocol/json.ts";
import { memoryLog } from "../src/log/memory.ts";
import { makeRuntime } from "../src/runtime/make-runtime.ts";
import { manualClock } from "../src/testing/manual-clock.ts";
import { publisher, userOf } from "../test/support/runtime-under-test.ts";
import { parameters } from "./support/parameters.ts";
import { scheduledLog } from "./support/scheduled-log.ts";

const runId = asRunId("contested");
const runnerCount = 3;
const serverCount = 2;
const maxSteps = 20_000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Step =
  | { readonly do: "claim" | "publish"; readonly runner: number; readonly server: number }
  | { readonly do: "release"; readonly count: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("claim", "publish", "publish"),
      runner: fc.nat(runnerCount - 1),
      server: fc.nat(serverCount - 1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("release" as const), count: fc.integer({ min: 1, max: 4 }) }) },
);

describe("L14 fenced", () => {
  it("lets no event of an older fence follow one of a newer, whoever claims and writes where", async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(step, { maxLength: 60, size: "max" }), async (scheduler, steps) => {
        const truth = memoryLog();
        const clock = manualClock();
        const settle = async (): Promise<void> => {
          for (let count = 0; count < maxSteps; count += 1) {
            await turn();
            if (scheduler.count() === 0) return;
            await scheduler.waitOne();
          }
          throw new Error("the log is asked for ever");
        };
        const servers = Array.from({ length: serverCount }, () => {
          const parts = makeRuntime({
            log: scheduledLog(truth, scheduler),
            clock,
            authenticate: async (token) => userOf(token, clock.now()),
          });
          void parts.start();
          return parts.service;
        });
        await settle();
        const [first] = servers;
        if (first === undefined) throw new Error("no server");
        const started = Effect.runPromise(first.startRun(publisher, { userId: "ann", runId, agent: "a" }));
        await settle();
        const { fence } = (await started).answer;
        // The first runner holds the run; the others have what they claim, when they hear of it.
        const fences = Array.from({ length: runnerCount }, (_, runner) => (runner === 0 ? fence : 0));
        const claims: { readonly fence: number; readonly seq: number }[] = [{ fence, seq: 1 }];
        for (const { do: what, ...who } of steps) {
          if (what === "release" && "count" in who) {
            for (let count = 0; count < who.count && scheduler.count() > 0; count += 1) await scheduler.waitOne();
            continue;
          }
          const { runner, server } = who as { runner: number; server: number };
          const service = servers[server] ?? first;
          if (what === "claim") {
            Effect.runPromise(service.claim(publisher, undefined, runId)).then(
              (claim) => {
                fences[runner] = claim.fence;
                claims.push(claim);
              },
              () => {},
            );
            continue;
          }
          const mine = fences[runner] ?? 0;
          const body = decodePublish(JSON.stringify({ fence: mine, events: [{ type: "x.said", data: { mine } }] }));
          if (!body.ok) throw new Error(body.issue.message);
          Effect.runPromise(service.publish(publisher, undefined, runId, body.value)).catch(() => {
            refused += 1;
          });
        }
        await settle();
        const events = await truth.readRun(asTenantId("default"), runId, 0, { maxEvents: 1_000, maxBytes: 1e9 });
        const said = events
          .filter(({ type }) => type === "x.said")
          .map(({ seq = 0, data }) => ({ seq, fence: (parseTrusted(data) as { mine: number }).mine }));
        const written = said.map((each) => each.fence);
        expect(written, "in the order of the log").toEqual(written.toSorted((a, b) => a - b));
        for (const claim of claims)
          expect(said.filter((each) => each.fence < claim.fence && each.seq > claim.seq)).toEqual([]);
        expect(new Set(claims.map((claim) => claim.fence)).size, "no two claims share a fence").toBe(claims.length);
      }),
      parameters(400),
    );
    expect(refused, "no runner was ever shut out: the search proves nothing").toBeGreaterThan(0);
  });
});
