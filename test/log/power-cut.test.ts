import { describe, expect, it } from "vitest";
import { cutPower, recordScript } from "../support/disk/power-cut-run.ts";
import { seededRandom } from "../support/seeded-random.ts";

const seed = Number(process.env["SEED"] ?? 1);
const images = 150;
const imagesWithoutSync = 40;
const rounds = 3;
const patienceMs = 60_000;

describe(`the SQLite log and a power cut (SEED=${seed})`, () => {
  it(
    "L6: opens, has every acknowledged append unchanged, and keeps offsets, fence and epoch",
    () => {
      const result = cutPower(recordScript("fsync", rounds), images, seededRandom(seed));
      expect(result.failures).toEqual([]);
      // That nothing was lost says something only if there was something to lose.
      expect(result.acknowledged).toBeGreaterThan(images);
      for (const count of [result.kept, result.torn, result.dropped]) expect(count).toBeGreaterThan(images / 2);
    },
    patienceMs,
  );

  it(
    "loses acknowledged appends when commits do not wait for the disk, and nothing but those: the cuts do cut",
    () => {
      const result = cutPower(recordScript("os", rounds), imagesWithoutSync, seededRandom(seed));
      expect(result.lost).toBeGreaterThan(0);
      // Also then what is there is sound and without a hole, and no fence comes again.
      for (const failure of result.failures) expect(failure).toMatch(/"holes":0,.*"fenceLost":false/);
    },
    patienceMs,
  );
});
