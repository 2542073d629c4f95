/**
 * The run machine as a graph to draw: states, groups and merged edges, found by walking the real machine at build
 * time. Before it stands `machines/run`, after it `layout`. What the picture shows is what the machine does (L1).
 */
import { initialTransition, transition } from "xstate";
import type { RunFact, RunProfile, RunSnapshot } from "../../../machines/run.ts";
import { runMachine } from "../../../machines/run.ts";

export interface GraphEdge {
  readonly source: string;
  readonly target: string;
  /** Event types that take this way; several of them are one line. */
  readonly events: readonly string[];
  /** Legal in profile `standard` only: drawn dashed. */
  readonly shortcut: boolean;
}

export interface RunGraph {
  readonly states: readonly string[];
  readonly terminals: readonly string[];
  /** `living` holds `running` and `suspended`; an edge of a group is legal in each state of it. */
  readonly groups: Readonly<Record<"living" | "running", readonly string[]>>;
  readonly edges: readonly GraphEdge[];
  /** States that some event leaves where they are. */
  readonly loops: Readonly<Record<string, readonly string[]>>;
}

/** One of everything, and two calls, so that one can end while the other runs. */
const alphabet: readonly RunFact[] = [
  { type: "agent_started", data: { agent: "a" } },
  { type: "agent_thinking", data: {} },
  { type: "tool_proposed", data: { toolCallId: "1", toolName: "t" } },
  { type: "tool_executing", data: { toolCallId: "1", toolName: "t" } },
  { type: "tool_executing", data: { toolCallId: "2", toolName: "t" } },
  { type: "tool_completed", data: { toolCallId: "1", status: "ok" } },
  { type: "tool_completed", data: { toolCallId: "2", status: "ok" } },
  { type: "agent_completed", data: {} },
  { type: "agent_failed", data: { error: { code: "e", message: "" } } },
  { type: "agent_cancelled", data: {} },
  { type: "agent_interrupted", data: { reason: "deadline" } },
  { type: "agent_suspended", data: { reason: "approval", approvals: [{ approvalId: "p" }] } },
  { type: "approval_resolved", data: { approvalId: "p", decision: "approve" } },
  { type: "agent_resumed", data: {} },
  { type: "cancel_requested", data: {} },
  { type: "cancel_refused", data: {} },
];

/** `source>target` → the events that were seen to go there. */
type Ways = Map<string, Set<string>>;

function walk(profile: RunProfile): Ways {
  const ways: Ways = new Map();
  const [start] = initialTransition(runMachine, { profile });
  const seen = new Set<string>();
  const queue: RunSnapshot[] = [start];
  for (let from = queue.shift(); from !== undefined; from = queue.shift()) {
    for (const fact of alphabet) {
      const to: RunSnapshot = transition(runMachine, from, fact)[0];
      if (to === from) continue;
      const way = `${String(from.value)}>${String(to.value)}`;
      ways.set(way, (ways.get(way) ?? new Set()).add(fact.type));
      const key = JSON.stringify([to.value, to.context]);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push(to);
    }
  }
  return ways;
}

/** The machine's graph, with what holds for a whole group said once. */
export function runGraph(): RunGraph {
  const states = Object.keys(runMachine.states);
  const tagged = (tag: string) => Object.values(runMachine.states).filter((node) => node.tags.includes(tag));
  const terminals = tagged("terminal").map((node) => node.key);
  const living = tagged("living").map((node) => node.key);
  const standard = walk("standard");
  const strict = walk("strict");
  const running = living.filter((state) => state !== "suspended" && standard.has(`${state}>suspended`));
  const groups = { living, running };

  const rest = new Map(standard);
  const edges: GraphEdge[] = [];
  const take = (ends: readonly string[], source: string, target: string, way: (end: string) => string) => {
    if (!ends.every((end) => rest.has(way(end)))) return;
    const events = [...new Set(ends.flatMap((end) => [...(rest.get(way(end)) ?? [])]))];
    for (const end of ends) rest.delete(way(end));
    edges.push({ source, target, events, shortcut: false });
  };
  for (const state of states) {
    if (!living.includes(state)) take(living, "living", state, (end) => `${end}>${state}`);
    if (running.includes(state)) continue;
    take(running, "running", state, (end) => `${end}>${state}`);
    take(running, state, "running", (end) => `${state}>${end}`);
  }

  const loops: Record<string, readonly string[]> = {};
  for (const [way, events] of rest) {
    const [source = "", target = ""] = way.split(">");
    if (source === target) loops[source] = [...events];
    else edges.push({ source, target, events: [...events], shortcut: !strict.has(way) });
  }
  return { states, terminals, groups, edges, loops };
}
