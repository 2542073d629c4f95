/** L1: the log never holds a run whose events the machine would refuse. The judge is a table of the tests' own. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runtimeUnderTest } from "../test/support/runtime-under-test.ts";
import { anyEvent, settings, writing } from "./support/commands.ts";
import { heldRun } from "./support/history.ts";
import type { RunMemory, Said } from "./support/legality.ts";
import { afterSaid, unborn } from "./support/legality.ts";
import { parameters } from "./support/parameters.ts";
import { World } from "./support/world.ts";

const policies = ["reject", "repair", "quarantine"] as const;

describe("L1 legality", () => {
  it("holds for every run in the log, whatever was said, raced, lost and restarted", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        settings({ onIllegal: ["reject", "repair"] }),
        writing,
        async (scheduler, set, happenings) => {
          const world = await new World(scheduler, set).begin();
          await fc.asyncModelRun(() => ({ model: {}, real: world }), happenings);
          await world.quiesce();
          for (const { runId } of world.slots) {
            let run: RunMemory | undefined = unborn(set.profile === "strict");
            for (const [index, event] of (await heldRun(world, runId)).entries()) {
              expect(event.seq).toBe(index + 1);
              run = afterSaid(run, event as Said);
              if (run === undefined) expect.fail(`${runId} holds an illegal ${event.type} at ${index + 1}`);
            }
          }
        },
      ),
      parameters(600),
    );
  });

  it("is what a publisher is told: accepted if and only if the table allows it, and nothing changes when it does not", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("standard", "strict"),
        fc.constantFrom(...policies),
        fc.array(fc.array(anyEvent, { minLength: 1, maxLength: 3 }), { maxLength: 15 }),
        async (profile, onIllegal, batches) => {
          const { start, publish } = await runtimeUnderTest();
          const { runId } = await start({ profile: profile as "strict", onIllegal });
          let run = afterSaid(unborn(profile === "strict"), { type: "agent_started", data: {} });
          for (const batch of batches) {
            const events = batch.map(({ make }) => make("e"));
            const before = run;
            const refused = events.findIndex((said) => {
              run = run && said.type !== "agent_interrupted" ? afterSaid(run, said as Said) : undefined;
              return run === undefined;
            });
            const answer = await publish(runId, 1, events).catch((cause: unknown) => cause);
            if (refused !== -1) run = before;
            if (before?.at === "over") expect(answer).toMatchObject({ _tag: "RunEnded" });
            else if (refused === -1) expect(answer).toMatchObject({ duplicates: 0 });
            else if (onIllegal === "reject")
              expect(answer).toMatchObject({ _tag: "IllegalTransition", index: refused });
            else if (onIllegal === "quarantine") {
              // What is legal of it is written: the memory follows event by event.
              let apart = 0;
              for (const said of events) {
                const next = run && said.type !== "agent_interrupted" ? afterSaid(run, said as Said) : undefined;
                if (next === undefined) apart += 1;
                run = next ?? run;
              }
              expect(answer).toMatchObject({ quarantined: apart });
            } else return;
          }
        },
      ),
      parameters(800),
    );
  });
});
