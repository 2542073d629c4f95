/** Reads the notes of a play and says what was wrong with it. The door's refusals are the run machine's word. */
import type { EventInput } from "../../../protocol/event.ts";
import type { RunView } from "../../../protocol/run-view.ts";
import type { Finding, RunnerRule } from "./finding.ts";
import { type Attempt, eventWords, isTerminal, type Notes, refusalWords, tagOf } from "./watched-run.ts";

/** What is known when a play is over. */
export interface Ending {
  readonly notes: Notes;
  readonly view: RunView;
  /** What its promise came to. */
  readonly settled: "resolved" | "pending" | { readonly error: unknown };
  readonly rejections: readonly unknown[];
  /** Somebody asked the run to stop while the runner was at work. */
  readonly wasAsked: boolean;
  /** New work that a runner may still publish after it was asked to stop. */
  readonly maxEventsAfterCancel: number;
}

/** What a runner may still try after it was told that the run is not its own any more: what was under way. */
const maxAfterLoss = 3;
const living: ReadonlySet<string> = new Set(["started", "thinking", "toolExecuting", "toolCompleted"]);
/** Ends work that was under way: not new work. */
const closing: ReadonlySet<string> = new Set(["tool_completed", "cancel_refused"]);

export function findingsOf(ending: Ending): readonly Finding[] {
  return [...refusals(ending), ...atTheEnd(ending), ...afterCancel(ending)];
}

function refusals({ notes: { attempts }, view }: Ending): Finding[] {
  const findings: Finding[] = [];
  const before: EventInput[] = [];
  const keys = new Set<string>();
  let hasEnded = false;
  let lost = 0;
  for (const attempt of attempts) {
    const { answer, events } = attempt;
    // A repetition asks what became of the first: it is no new word.
    const isRepeated = events.every(({ key }) => key !== undefined && keys.has(key));
    for (const { key } of events) if (key !== undefined) keys.add(key);
    if (answer === "pending" || answer === "accepted") {
      before.push(...events);
      hasEnded ||= events.some(isTerminal);
      continue;
    }
    const said = { event: events[0], before: [...before] };
    const { refusal } = answer;
    switch (tagOf(refusal)) {
      case "IllegalTransition":
        findings.push(illegal(attempt, refusal, before));
        break;
      case "RunEnded":
        if (!hasEnded || isRepeated) lost += 1;
        else findings.push(attempt.byTool ? outlived(said) : late(said, refusal));
        break;
      case "Fenced":
        lost += 1;
        break;
      case "LogUnavailable":
        // It may have been written all the same.
        hasEnded ||= events.some(({ type }) => type === view.endedBy);
        if (!attempt.isObserved) findings.push(unnoticed(said));
        break;
      default:
        findings.push({ ...said, rule: "refused", message: refusalWords(refusal) });
    }
    if (lost > maxAfterLoss)
      findings.push({
        ...said,
        rule: "ignores-loss",
        message: `it was told ${lost} times that the run is over or another's, and goes on: ${refusalWords(refusal)}`,
      });
  }
  return findings;
}

function illegal({ events }: Attempt, refusal: unknown, before: readonly EventInput[]): Finding {
  const index = Number(Reflect.get(Object(refusal), "index"));
  const legal: unknown = Reflect.get(Object(refusal), "legal");
  return {
    rule: "illegal-order",
    message: refusal instanceof Error ? refusal.message : "the run machine refuses it",
    event: events[index],
    state: String(Reflect.get(Object(refusal), "state")),
    legal: Array.isArray(legal) ? legal.map(String) : [],
    before: [...before, ...events.slice(0, index)],
  };
}

type Said = Pick<Finding, "event" | "before">;
const words = ({ event }: Said): string => (event ? eventWords(event) : "an event");

const late = (said: Said, refusal: unknown): Finding => ({
  ...said,
  rule: "after-end",
  state: String(Reflect.get(Object(refusal), "state")),
  legal: [],
  message: `${words(said)} comes after the run's own terminal: nothing is legal there, and nobody will see it`,
});
const outlived = (said: Said): Finding => ({
  ...said,
  rule: "tool-outlives-run",
  message: `a tool was still running when the run was ended: ${words(said)} comes too late, its result is lost`,
});
const unnoticed = (said: Said): Finding => ({
  ...said,
  rule: "lost-unnoticed",
  message: `the log did not answer for ${words(said)}, and nobody looked: await it, or catch what it rejects with`,
});

function atTheEnd({ notes, view, settled, rejections }: Ending): Finding[] {
  const before = notes.attempts.flatMap(({ events, answer }) => (typeof answer === "string" ? events : []));
  const found = (rule: RunnerRule, message: string): Finding => ({ rule, message, before, state: view.state });
  const findings = rejections.map((error) =>
    found("unhandled-rejection", `a promise rejected with nobody to catch it: ${refusalWords(error)}`),
  );
  if (settled === "pending")
    return [...findings, found("never-settles", `all that it waits for has come, and it does not settle`)];
  const open = view.tools.filter(({ status }) => status === "executing");
  const [first] = open;
  const isOpen = living.has(view.state) || view.state === "suspended";
  if (isOpen && first !== undefined)
    findings.push(found("tool-left-open", `${open.length} call(s) still execute, ${first.toolName} for one`));
  if (isOpen) {
    const how = settled === "resolved" ? "resolved" : `rejected with ${refusalWords(settled.error)}`;
    findings.push(found("left-open", `the runner has ${how}, and its run is ${view.state} for ever`));
  }
  return findings;
}

function afterCancel({ notes, view, wasAsked, maxEventsAfterCancel }: Ending): Finding[] {
  if (!wasAsked) return [];
  const accepted = notes.attempts.filter(({ answer }) => answer === "accepted");
  const after = accepted.filter(({ afterAbort }) => afterAbort);
  if (after.some(({ events }) => events.some(({ type }) => type === "cancel_refused"))) return [];
  const isWork = (event: EventInput): boolean => !closing.has(event.type) && !isTerminal(event);
  const work = after.flatMap(({ events }) => events.filter(isWork));
  const before = accepted.flatMap(({ events }) => events);
  if (work.length > maxEventsAfterCancel)
    return [
      {
        rule: "ignores-cancel",
        message: `its signal had aborted, and it said ${work.length} more things, ${work.map(eventWords).slice(0, 4).join(", ")} …`,
        event: work[maxEventsAfterCancel],
        before,
      },
    ];
  const endedItself = accepted.some(({ events }) => events.some(isTerminal));
  if (view.endedBy !== "agent_cancelled" || endedItself) return [];
  return [
    {
      rule: "ignores-cancel",
      message: "it was asked to stop and did not: the run had to be ended for it at the deadline",
      before,
    },
  ];
}
