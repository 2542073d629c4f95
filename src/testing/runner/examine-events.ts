/** Judges a list of events that a runner has written or recorded, without playing anything: pure, and at once. */
import { createActor } from "xstate";
import { isLivingState, runStateOf } from "../../../machines/legality.ts";
import { runMachine, type RunProfile } from "../../../machines/run.ts";
import { checkEvent } from "../../../protocol/codec.ts";
import type { EventInput } from "../../../protocol/event.ts";
import { IllegalTransition } from "../../errors.ts";
import { judge } from "../../runtime/judge.ts";
import type { Finding } from "./finding.ts";
import { eventWords } from "./watched-run.ts";

export interface EventsExamination {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  readonly text: string;
}

export interface ExamineEventsOptions {
  /** Default `standard`. */
  readonly profile?: RunProfile | undefined;
  /** The list is a part of a run that may still live. Default false: a run without its terminal is a finding. */
  readonly isPart?: boolean | undefined;
}

const terminalStates: ReadonlySet<string> = new Set(["completed", "failed", "cancelled", "interrupted"]);

/**
 * Every event of the list that a run would refuse; those after it are judged as if it had not been said.
 *
 * Shape: the list may begin with `agent_started`, and does when it comes from a log; otherwise it is taken as said.
 */
export function examineEvents(
  events: readonly Pick<EventInput, "type" | "data">[],
  { profile, isPart = false }: ExamineEventsOptions = {},
): EventsExamination {
  const actor = createActor(runMachine, { input: { profile } }).start();
  const findings: Finding[] = [];
  const before: EventInput[] = [];
  if (events[0]?.type !== "agent_started") actor.send({ type: "agent_started", data: { agent: "any" } });
  for (const [index, { type, data }] of events.entries()) {
    const checked = checkEvent({ type, data }, `events[${index}]`);
    if (!checked.ok) {
      const message = `${checked.issue.path} ${checked.issue.message}`;
      findings.push({ rule: "refused", message, event: { type, data } as EventInput, before: [...before] });
      continue;
    }
    const event = checked.value;
    const state = runStateOf(actor.getSnapshot());
    // In a log stand also the supervisor's own words.
    const verdict = judge(actor, [event], "reject", true);
    if (!(verdict instanceof IllegalTransition)) {
      before.push(event);
      continue;
    }
    const { message, legal } = verdict;
    const rule = terminalStates.has(state) ? "after-end" : "illegal-order";
    findings.push({ rule, message, event, state, legal, before: [...before] });
  }
  const { value: state } = actor.getSnapshot();
  if (!isPart && isLivingState(state) && state !== "suspended")
    findings.push({ rule: "left-open", message: `the list ends, and the run is ${state} for ever`, state, before });
  actor.stop();
  return { ok: findings.length === 0, findings, text: textOf(findings, events.length) };
}

function textOf(findings: readonly Finding[], count: number): string {
  if (findings.length === 0) return `ok: ${count} events, each legal where it stands`;
  const lines = findings.map(({ rule, message, event, before, legal = [] }, index) => {
    const after = before.slice(-5).map(eventWords).join(", ") || "nothing";
    const now = legal.length > 0 ? `\n   legal: ${legal.join(", ")}` : "";
    return `${index + 1}. ${rule}: ${event ? `${eventWords(event)}: ` : ""}${message}\n   after: ${after}${now}`;
  });
  return [`${findings.length} mistake(s) in ${count} events`, ...lines].join("\n");
}
