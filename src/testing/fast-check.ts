/**
 * `runcast/testing/fast-check`: arbitraries for property tests of your own. Words that a run may say, words that it
 * may almost say, and schedules for `playRunner`. `fast-check` (4 or newer) is yours to install.
 */
import * as fc from "fast-check";
import type { RunProfile } from "../../machines/run.ts";
import type { EventInput } from "../../protocol/event.ts";
import { nextEnds, nextEvents, takes, wordActor } from "./runner/legal-word.ts";
import type { Schedule, TwistKind } from "./runner/schedule.ts";

export interface WordOptions {
  /** Default `standard`. */
  readonly profile?: RunProfile | undefined;
  /** Events between `agent_started` and the end. Default 20. */
  readonly maxEvents?: number | undefined;
  /** Different tool calls. Default 3. */
  readonly maxCalls?: number | undefined;
  /** Whether the word has a terminal. Default `always`. */
  readonly end?: "always" | "never" | undefined;
}

/** What was done to a legal word. */
export type Mutation = "dropped" | "repeated" | "swapped" | "after the end";

export interface NearLegalWord {
  readonly events: readonly EventInput[];
  /** Index of the first event that is illegal where it stands. */
  readonly at: number;
  readonly mutation: Mutation;
}

export interface ScheduleOptions {
  /** What may go wrong. Default: tools fail, the run is cancelled. */
  readonly kinds?: readonly TwistKind[] | undefined;
  /** How many things at once. Default 2. */
  readonly maxTwists?: number | undefined;
  /** Up to which step, tool or append. Default 20. */
  readonly maxAt?: number | undefined;
}

const defaultMaxEvents = 20;
const defaultMaxCalls = 3;
const defaultMaxTwists = 2;
const defaultMaxAt = 20;
/** More than there are next events. */
const widestChoice = 30;
const widestStep = 11;
const maxChoices = 60;
const started: EventInput = { type: "agent_started", data: { agent: "agent" } };

/**
 * Words that a run takes from its `agent_started` on: what a runner says, without what only the server writes.
 *
 * Shape: shrinks towards a run that only thinks and ends.
 */
export function legalWords(options: WordOptions = {}): fc.Arbitrary<readonly EventInput[]> {
  const { profile, maxEvents = defaultMaxEvents, maxCalls = defaultMaxCalls, end = "always" } = options;
  const choice = fc.nat({ max: widestChoice });
  return fc.tuple(fc.array(choice, { maxLength: maxEvents }), choice).map(([choices, ending]) => {
    const actor = wordActor(profile);
    const word: EventInput[] = [];
    const say = (event: EventInput | undefined): void => {
      if (event && takes(actor, event)) word.push(event);
    };
    say(started);
    for (const each of choices) say(pick(nextEvents(actor.getSnapshot(), maxCalls), each));
    if (end === "always") say(pick(nextEnds(actor.getSnapshot()), ending));
    actor.stop();
    return word;
  });
}

/** Words with one mistake: a legal one with an event dropped, repeated, swapped with the next, or said after the end. */
export function nearLegalWords(options: WordOptions = {}): fc.Arbitrary<NearLegalWord> {
  const mutation = fc.constantFrom<Mutation>("dropped", "repeated", "swapped", "after the end");
  return fc
    .record({
      word: legalWords(options),
      mutation,
      place: fc.nat({ max: (options.maxEvents ?? defaultMaxEvents) + 1 }),
    })
    .map(({ word, mutation: kind, place }): NearLegalWord => {
      // What runcast says itself stays: `agent_started` is written with the run.
      const events = mutated(word, kind, 1 + (place % Math.max(1, word.length - 1)));
      return { events, at: firstIllegal(events, options.profile), mutation: kind };
    })
    .filter(({ at }) => at >= 0);
}

/** Schedules for `playRunner`: any order of what waits, and a few things that go wrong. */
export function schedules(options: ScheduleOptions = {}): fc.Arbitrary<Schedule> {
  const { kinds = ["toolFails", "cancel"], maxTwists = defaultMaxTwists, maxAt = defaultMaxAt } = options;
  const twist = fc.record({ kind: fc.constantFrom(...kinds), at: fc.integer({ min: 1, max: maxAt }) });
  return fc.record({
    choices: fc.array(fc.nat({ max: widestStep }), { maxLength: maxChoices }),
    twists: fc.array(twist, { maxLength: kinds.length === 0 ? 0 : maxTwists }),
  });
}

/** Index of the first event that a run of this profile would refuse; -1 when it takes them all. */
export function firstIllegal(events: readonly EventInput[], profile?: RunProfile): number {
  const actor = wordActor(profile);
  const at = events.findIndex((event) => !takes(actor, event));
  actor.stop();
  return at;
}

function pick<Value>(values: readonly Value[], choice: number): Value | undefined {
  return values[choice % values.length];
}

function mutated(word: readonly EventInput[], mutation: Mutation, at: number): readonly EventInput[] {
  const [before, here, after] = [word.slice(0, at), word.slice(at, at + 1), word.slice(at + 1)];
  switch (mutation) {
    case "dropped":
      return [...before, ...after];
    case "repeated":
      return [...before, ...here, ...here, ...after];
    case "swapped":
      return [...before, ...after.slice(0, 1), ...here, ...after.slice(1)];
    case "after the end":
      return [...word, ...here];
  }
}
