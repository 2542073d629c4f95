/**
 * Where a connection begins: one clear answer for every epoch × offset (L4, FAULTS 11–13). Pure.
 */
import type { GapFrame, HelloFrame, WelcomeFrame } from "../../protocol/frames.ts";
import { asEpoch, type Offset } from "../../protocol/ids.ts";
import type { Position } from "../log/event-log.ts";

export interface Start {
  readonly resumed: WelcomeFrame["resumed"];
  /** The cursor is good: everything up to it counts as acknowledged. */
  readonly ackedUpto?: Offset;
  readonly gap?: GapFrame;
  /** A snapshot of the living runs comes first, and `after` is its offset. */
  readonly snapshot: boolean;
  readonly after: Offset;
}

const gap = (from: Offset, upto: Offset, reason: GapFrame["reason"]): GapFrame => ({ type: "gap", from, upto, reason });

/** What was trimmed away is declared; what is left follows. */
function afterTrimmed(after: Offset, { first }: Position): Start | undefined {
  if (after >= first - 1) return undefined;
  return { resumed: "gap", gap: gap(after + 1, first - 1, "retention"), snapshot: false, after: first - 1 };
}

/**
 * Whether the answer to this `hello` depends on how far the log reaches back, which is to be asked now: retention may
 * have been there since the hub was made.
 */
export function reachesBack({ cursor, from }: Pick<HelloFrame, "cursor" | "from">, head: Offset): boolean {
  return cursor === undefined ? from === "start" : cursor.offset !== head;
}

/** The start of a connection that said `hello`, in a stream that stands at `position`. */
export function startOf(hello: Pick<HelloFrame, "cursor" | "from">, position: Position): Start {
  const { epoch, head, lostEpochs } = position;
  const { cursor } = hello;
  if (cursor) {
    const otherEpoch = lostEpochs?.includes(asEpoch(cursor.epoch)) === true ? "durability_none" : "epoch";
    const reason = cursor.epoch !== epoch ? otherEpoch : cursor.offset > head ? "ahead" : undefined;
    // Nothing that such a cursor says can be trusted: what there was up to the head does not come, the state does.
    if (reason) return { resumed: "gap", gap: gap(1, head, reason), snapshot: true, after: head };
    const trimmed = afterTrimmed(cursor.offset, position);
    if (trimmed) return { ...trimmed, ackedUpto: cursor.offset };
    return { resumed: "replayed", ackedUpto: cursor.offset, snapshot: false, after: cursor.offset };
  }
  if (hello.from === "start") return afterTrimmed(0, position) ?? { resumed: "fresh", snapshot: false, after: 0 };
  if (hello.from === "now") return { resumed: "fresh", snapshot: false, after: head };
  return { resumed: "snapshot", snapshot: true, after: head };
}
