/**
 * What is written down with a row of the outbox: enough to go on after a crash exactly where it stood, and to show an
 * operator who was told when. `escalation-climb` writes it before and after each call, `outbox-view` shows it.
 */
import type { EscalationContext, EscalationPlan } from "../../machines/escalation.ts";
import { parseTrusted } from "../../protocol/json.ts";

export interface EscalationNote {
  /** Who may be called in this round. */
  readonly plan: EscalationPlan;
  /** What the calls of this round came to. */
  readonly outcomes: EscalationContext["outcomes"];
  /** Channels that are being called. Of a row that a dead process left so, nobody knows whether they were. */
  readonly trying: readonly string[];
  /** Names this move, so that one whose answer was lost is known again. */
  readonly claim: string;
  /** Rounds that are over. */
  readonly round: number;
  /** Calls so far, over all rounds. */
  readonly attempts: number;
  /** ISO 8601 UTC. */
  readonly movedAt: string;
  /** ISO 8601 UTC: not before it a new round begins. */
  readonly retryAt?: string | undefined;
  /** Who took it, as the channel names them. */
  readonly told?: { readonly channel: string; readonly by: string; readonly at: string } | undefined;
  /** Nobody knows whether it was told, and it is not told again. */
  readonly inDoubt?: true | undefined;
  /** An ack arrived while the call was under way that told it. */
  readonly acked?: true | undefined;
}

/** Undefined: nobody was called yet. */
export function noteOf(text: string): EscalationNote | undefined {
  return text === "" ? undefined : (parseTrusted(text) as EscalationNote);
}

export const noteText = (note: EscalationNote): string => JSON.stringify(note);
