/**
 * The small protocol of resume, ack, epoch and fencing (`model/stream.pml`): no interleaving breaks it, each bug that is
 * planted into it does, and the code walks as the model does.
 */
import { env } from "node:process";
import { describe, expect, it } from "vitest";
import { Replay } from "./model/replay.ts";
import { search, walk } from "./model/spin.ts";

/** `MODEL_SEED`: the first of the random walks that are drawn. */
const firstSeed = Number(env["MODEL_SEED"] ?? 1);
const drawnPerWalk = 60;
/** `MODEL_WALKS`: how many of them the code must take for each rare step. */
const walksEach = Number(env["MODEL_WALKS"] ?? 1);
/** States that are searched sooner than a faster search is compiled. */
const smallModel = 100_000;
const rareSteps = [
  "append fenced",
  "append known",
  "claim",
  "connect gap",
  "connect replayed",
  "crash",
  "cut",
  "restore",
] as const;

/** As in `append fenced`, `connect gap`, `crash`. */
function nameOf([name = "", ...words]: readonly string[]): string {
  if (name === "append") return `${name} ${words[2]}`;
  return name === "connect" ? `${name} ${words[0]}` : name;
}

/** Of the walks that were drawn, enough for every rare step. */
function worthTaking(walks: readonly (readonly (readonly string[])[])[]): Set<(typeof walks)[number]> {
  const taken = new Set<(typeof walks)[number]>();
  for (const rare of rareSteps) {
    const having = walks.filter((steps) => steps.some((step) => nameOf(step) === rare));
    if (having.length < walksEach) throw new Error(`"${rare}" is too rare in these walks: they prove nothing`);
    for (const steps of having.slice(0, walksEach)) taken.add(steps);
  }
  return taken;
}

/** What is planted, and the words of the assertion that finds it. */
const plantedBugs: readonly (readonly [bug: string, switches: readonly string[], found: string])[] = [
  ["a fence that nobody asks", ["NO_FENCE"], "lastFence"],
  ["a retry that is written twice", ["NO_KEYS"], "at==0"],
  ["an answer before the commit", ["ACK_BEFORE_COMMIT"], "accepted[id]"],
  ["a delivery before the commit", ["DELIVER_BEFORE_COMMIT"], "held[at]==id"],
  ["an old copy under the same epoch", ["KEEP_EPOCH"], "seen[id]"],
  ["an old copy that lets old fences in", ["KEEP_FENCES"], "lastFence"],
  ["a cursor of another epoch that is replayed", ["PARTIAL_REPLAY"], "seen[id]"],
  ["a resume that acknowledges nothing", ["RESUME_ACKS_NOTHING"], "acked==head"],
  ["a resume at the server's cursor, and a device that takes doubles", ["RESUME_AT_ACKED", "NO_DEDUP"], "seen[id]"],
  ["an ack for what was never sent", ["ACK_AHEAD", "ACK_ANYTHING"], "acked<=head"],
];

describe("the model of a stream", () => {
  it.each([
    ["three events, one crash, one cut", [], 50_000],
    ["four events, two crashes, two cuts", ["EVENTS=4", "CRASHES=2", "CUTS=2"], 500_000],
  ] as const)("holds in every state: %s", (_, switches, enoughStates) => {
    const { states, violated } = search(switches, enoughStates > smallModel);
    expect(violated).toBeUndefined();
    expect(states).toBeGreaterThan(enoughStates);
  });

  it.each(plantedBugs)("is broken by %s", (_, switches, found) => {
    expect(search(switches).violated).toContain(found);
  });

  it("is walked by the code, step by step with the same outcome", async () => {
    const drawn = Array.from({ length: drawnPerWalk * walksEach }, (_, index) => walk(firstSeed + index));
    for (const steps of worthTaking(drawn)) expect(await Replay.walk(steps)).toBe(steps.length);
  });
});
