/** L1: a publisher is told what the table of the tests says. That the log holds nothing illegal: `writing.test.ts`. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runtimeUnderTest } from "../test/support/runtime-under-test.ts";
import { anyEvent } from "./support/commands.ts";
import type { Said } from "./support/legality.ts";
import { afterSaid, unborn } from "./support/legality.ts";
import { parameters } from "./support/parameters.ts";

const policies = ["reject", "repair", "quarantine"] as const;

describe("L1 legality", () => {
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
