/** One append inside a transaction that somebody else has open, whose stream is held: it is written or it is a bug. */
import type { Offset, Seq } from "../../../protocol/ids.ts";
import { KeyConflict, LogUnavailable } from "../../errors.ts";
import { assertAppend } from "../append-rules.ts";
import type { Append, Appended } from "../event-log.ts";
import { type AnswerRow, answersOf, appendStatement } from "./append-call.ts";
import type { AskIn } from "./transaction-client.ts";

/** No node has this name, so every node hears the bell. */
const nobody = "-";

/** Fails: `KeyConflict`, `LogUnavailable` when the log did not take it. */
export async function appendIn(
  ask: AskIn,
  schema: string,
  append: Append,
): Promise<{ readonly offset: Offset; readonly seq: Seq; readonly isKnown: boolean }> {
  assertAppend(append);
  const call = { node: nobody, timeline: undefined, isOs: false };
  const [answer] = answersOf(await ask<AnswerRow>(appendStatement(schema, [append], call)));
  if (Array.isArray(answer)) {
    const [offset = 0, seq = 0] = answer as readonly number[];
    return { offset, seq, isKnown: false };
  }
  const refused = answer as Exclude<Appended, { readonly kind: "appended" }>;
  if (refused?.kind !== "key_known")
    throw new LogUnavailable({ message: `the events were not written: ${refused?.kind}`, retryAfterMs: 0 });
  const asked = append.events.find(({ key }) => key?.name === refused.key);
  if (asked?.key?.digest !== refused.known.digest) throw new KeyConflict({ key: refused.key, seq: refused.known.seq });
  return { offset: refused.known.offset, seq: refused.known.seq, isKnown: true };
}
