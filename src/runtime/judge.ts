/**
 * Asks the run machine about a batch, event by event, before a byte of it is written (L1, L2). What the publisher
 * chose for illegal events (`reject`, `repair`, `quarantine`) is done here.
 */
import type { Actor } from "xstate";
import { closingEvents, repairSteps } from "../../machines/repair.ts";
import type { RunFact, runMachine } from "../../machines/run.ts";
import { isLiving, isRunFact, legalTypes, needsMachine, runStateOf, whyIllegal } from "../../machines/legality.ts";
import type { EventInput } from "../../protocol/event.ts";
import { isTerminalType } from "../../protocol/event.ts";
import type { OnIllegal } from "../../protocol/http.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import { IllegalTransition } from "../errors.ts";
import type { ApartEvent } from "./apart.ts";

export type RunActor = Actor<typeof runMachine>;

export interface Judged {
  readonly event: EventInput;
  /** Where it stands in the batch; -1 for a step of the server's own, which is written as `repaired`. */
  readonly index: number;
}

export const ownStep = -1;

export interface Verdict {
  /** To be written, in this order. */
  readonly legal: Judged[];
  readonly apart: ApartEvent[];
  /** Steps that stand in for what the publisher left out (closing calls at a terminal is no such step). */
  repaired: number;
  /** The batch holds the run's terminal. */
  ended?: TerminalState;
}

const repairedFact = (event: EventInput): RunFact =>
  ({ type: event.type, data: event.data, repaired: true }) as RunFact;

/** Sends one event to the machine. False: it is illegal and nothing has changed. */
function moves(actor: RunActor, event: EventInput, repaired = false): boolean {
  const before = actor.getSnapshot();
  if (!needsMachine(event.type)) return isLiving(before);
  actor.send(repaired ? repairedFact(event) : ({ type: event.type, data: event.data } as RunFact));
  return actor.getSnapshot() !== before;
}

/**
 * The verdict on a batch. The actor stands behind the last legal event afterwards; on `IllegalTransition` it may
 * stand anywhere, and the caller puts it back.
 *
 * Shape: `bySupervisor` lets `agent_interrupted` pass, which no publisher may say.
 */
export function judge(
  actor: RunActor,
  events: readonly EventInput[],
  onIllegal: OnIllegal,
  bySupervisor = false,
): Verdict | IllegalTransition {
  const verdict: Verdict = { legal: [], apart: [], repaired: 0 };
  for (const [index, event] of events.entries()) {
    const snapshot = actor.getSnapshot();
    const mayTry = bySupervisor || event.type !== "agent_interrupted";
    if (mayTry && isTerminalType(event.type) && isLiving(snapshot)) {
      if (closeAndEnd(actor, event, index, verdict)) continue;
    } else if (mayTry && moves(actor, event)) {
      verdict.legal.push({ event, index });
      continue;
    }
    if (mayTry && onIllegal === "repair" && repair(actor, event, index, verdict)) continue;
    const reason = whyIllegal(actor.getSnapshot(), event);
    if (onIllegal === "quarantine") verdict.apart.push({ event, reason });
    else
      return new IllegalTransition({
        index,
        state: runStateOf(snapshot),
        event: event.type,
        legal: legalTypes(snapshot),
        message: reason,
      });
  }
  return verdict;
}

/** A terminal first closes what is open: failures do so for executing calls, completion only for proposed ones. */
function closeAndEnd(actor: RunActor, event: EventInput, index: number, verdict: Verdict): boolean {
  const snapshot = actor.getSnapshot();
  // Completion is refused while a call executes, so it is asked before anything is closed on its behalf.
  if (event.type === "agent_completed" && !snapshot.can({ type: event.type, data: event.data } as RunFact))
    return false;
  for (const closing of closingEvents(snapshot)) {
    if (moves(actor, closing, true)) verdict.legal.push({ event: closing, index: ownStep });
  }
  if (!moves(actor, event)) return false;
  verdict.legal.push({ event, index });
  verdict.ended = runStateOf(actor.getSnapshot()) as TerminalState;
  return true;
}

function repair(actor: RunActor, event: EventInput, index: number, verdict: Verdict): boolean {
  const steps = isRunFact(event) ? repairSteps(actor.getSnapshot(), event) : undefined;
  if (steps === undefined) return false;
  for (const step of steps) {
    if (!moves(actor, step, true)) return false;
    verdict.legal.push({ event: step, index: ownStep });
    verdict.repaired += 1;
  }
  if (isTerminalType(event.type)) return closeAndEnd(actor, event, index, verdict);
  if (!moves(actor, event)) return false;
  verdict.legal.push({ event, index });
  return true;
}
