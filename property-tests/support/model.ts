/**
 * The oracle of L3–L5: which marks each user's stream holds, and in what order, by the word of the answers alone. It
 * knows nothing of runs, frames, windows or logs. A mark is what a test put into an event to know it again.
 */

/** What the server writes in somebody's place; no publisher was told where it stands. */
const ownTypes: ReadonlySet<string> = new Set([
  "agent_interrupted",
  "agent_cancelled",
  "cancel_requested",
  "approval_resolved",
]);

export interface SeenEvent {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
  readonly offset: number;
  readonly repaired?: boolean;
}

/** The marks of an event, several when deltas were merged; empty for the server's own. */
export function marksOf({ type, data, repaired }: SeenEvent): readonly string[] {
  const { text, mark, input } = data as { text?: string; mark?: string; input?: string };
  if (repaired || (ownTypes.has(type) && mark === undefined)) return [];
  if (type === "agent_delta") return (text ?? "").split(";").filter((part) => part !== "");
  return [mark ?? input ?? `unmarked ${type}`];
}

export class Model {
  /** Per user: the marks of each accepted batch under the offset that its answer named. */
  private readonly streams = new Map<string, Map<number, readonly string[]>>();

  accepted(user: string, offset: number, marks: readonly string[]): void {
    const stream = this.streams.get(user) ?? new Map<number, readonly string[]>();
    this.streams.set(user, stream);
    const there = stream.get(offset);
    if (there && there.join() !== marks.join())
      throw new Error(`two answers name offset ${offset} for different events`);
    stream.set(offset, marks);
  }

  /** Every mark of the user, in order. */
  marks(user: string): readonly string[] {
    const batches = [...(this.streams.get(user) ?? [])];
    return batches.sort(([a], [b]) => a - b).flatMap(([, marks]) => marks);
  }
}
