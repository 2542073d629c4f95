/**
 * Rare states that a long search must have been in. A simulator in which nothing rare ever happens finds nothing and
 * says "no violations": the run fails when one of these was never reached.
 */
export const rareStates = [
  "a server dies while its commit is on the disk and nobody has the answer",
  "a device comes back while its server drains",
  "the history was replaced and a device is ahead of the new one",
  "two devices of a user lose the same server at different places",
  "a runner is refused because a newer one holds the run",
  "the log refuses a writer that knows an older fence or seq",
  "the supervisor ends a run while its runner repeats itself",
  "a full window opens again and the reader reads on",
  "an outcome that nobody knew turns out to be written",
  "an outcome that nobody knew turns out not to be written",
  "two devices answer one approval",
  "a device finds its half-open link by itself",
  "a server finds a half-open link by itself",
  "a power cut takes what was not synced",
  "a transaction survives its process",
  "deltas reach a device merged",
  "a device goes on after a snapshot",
  "a device comes with a place that retention has taken",
  "the log joins the deltas of a run that has ended",
  "a device comes with a place that never was",
  "the server repairs what a runner left out",
  "an illegal event is kept apart",
  "an illegal event is refused",
  "a parent may not complete while its child lives",
  "a run that was shown as stalled is heard again",
  "a stopped server wakes beside its successor",
  "a full disk refuses a write",
  "a user's stop is overheard and the supervisor carries it out",
  "an answer of the log comes to a process that slept",
] as const;
/** The same, of worlds in which several servers share a store. */
export const severalStates = [
  "a publisher moves to another node",
  "a device goes on at another node where it was",
  "a node judges by an old picture, and what was said is written all the same",
  "a run is ended by another node than the one that heard its runner last",
  "two nodes would end one run",
  "a node never hears that the store has written what it said",
  "a node that is cut from the store is called all the same",
  "a bell that was lost is made good",
  "a bell of another process comes behind a newer one",
  "the store comes back with another history while nodes live",
] as const;
export type RareState = (typeof rareStates)[number] | (typeof severalStates)[number];

export class Sometimes {
  readonly reached = new Map<RareState, number>();

  note(state: RareState): void {
    this.reached.set(state, (this.reached.get(state) ?? 0) + 1);
  }

  add(other: Sometimes): void {
    for (const [state, count] of other.reached) this.reached.set(state, (this.reached.get(state) ?? 0) + count);
  }

  never(isSeveral: boolean): readonly RareState[] {
    return statesOf(isSeveral).filter((state) => !this.reached.has(state));
  }
}

export const statesOf = (isSeveral: boolean): readonly RareState[] =>
  isSeveral ? [...rareStates, ...severalStates] : rareStates;
