import { describe, expect, it } from "vitest";
import { soak } from "../support/soak.ts";

const cycles = 200;
const patienceMs = 60_000;

describe("connections and runs over real sockets", () => {
  it(
    `leave no actor and no entry behind in ${cycles} cycles, however each ended (L11)`,
    async () => {
      const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
      const figures = await soak({ cycles, seed, samples: 1 });
      expect(figures).toMatchObject({ actorsLeft: 0, connectionsLeft: 0, runsLeft: 0, streamsLeft: 0 });
      // A connection, its delivery, and a run for most of them.
      expect(figures.actorsSeen).toBeGreaterThan(2 * cycles);
    },
    patienceMs,
  );
});
