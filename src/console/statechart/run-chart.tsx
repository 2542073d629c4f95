/**
 * The run machine, drawn from coordinates that the build computed, with the state of one run lit. A way that was just
 * taken is drawn once more over itself. After `layout`; lit by what the log says, not by guesses.
 */
import { useEffect, useRef, useState } from "react";
import { runChart } from "virtual:run-chart";
import type { RunState } from "../../../protocol/run-view.ts";
import { stateName } from "../state-name.ts";
import type { ChartEdge, ChartNode } from "./layout.ts";

/** How long a taken way stays lit. */
const trailMs = 1_400;
/** The line between two states: their own, or the one of a group that holds an end. */
function wayBetween(from: string, to: string): ChartEdge | undefined {
  const ends = (id: string) => [id, ...(runChart.parents[id] ?? []).toReversed()];
  for (const source of ends(from)) {
    for (const target of ends(to)) {
      const edge = runChart.edges.find((candidate) => candidate.source === source && candidate.target === target);
      if (edge !== undefined && source !== target) return edge;
    }
  }
  return undefined;
}

interface Trail {
  readonly edge: string;
  readonly count: number;
}

/** The way that led to `state`, for as long as it is worth showing. */
function useTrail(runId: string | undefined, state: RunState): Trail | undefined {
  const before = useRef<{ runId: string | undefined; state: RunState }>({ runId, state });
  const count = useRef(0);
  const [trail, setTrail] = useState<Trail>();
  useEffect(() => {
    const from = before.current;
    before.current = { runId, state };
    if (from.runId !== runId) setTrail(undefined);
    if (from.runId !== runId || from.state === state) return;
    const edge = wayBetween(from.state, state);
    if (edge === undefined) return;
    count.current += 1;
    setTrail({ edge: edge.id, count: count.current });
    const timer = setTimeout(() => setTrail(undefined), trailMs);
    return () => clearTimeout(timer);
  }, [runId, state]);
  return trail;
}

function StateBox({ node, lit }: { readonly node: ChartNode; readonly lit: boolean }) {
  const kind = node.terminal ? `terminal ${node.id}` : node.id;
  return (
    <g className={`chart-state ${kind}${lit ? " lit" : ""}`} data-lit={lit || undefined}>
      {node.loop.length > 0 && (
        <path
          className="chart-loop"
          d={`M${node.x + node.width - 3} ${node.y + 10}h7a6 6 0 0 1 0 12h-5`}
          markerEnd="url(#chart-arrow)"
        >
          <title>
            Stays in {stateName(node.id)}: {node.loop.join(", ")}
          </title>
        </path>
      )}
      {lit && (
        <rect
          className="chart-halo"
          x={node.x - 4}
          y={node.y - 4}
          width={node.width + 8}
          height={node.height + 8}
          rx={13}
        />
      )}
      <rect className="chart-box" x={node.x} y={node.y} width={node.width} height={node.height} rx={9} />
      <text x={node.x + node.width / 2} y={node.y + node.height / 2}>
        {stateName(node.id)}
      </text>
    </g>
  );
}

function Way({ edge, trail }: { readonly edge: ChartEdge; readonly trail: Trail | undefined }) {
  const taken = trail?.edge === edge.id;
  return (
    <g className={`chart-way${edge.shortcut ? " shortcut" : ""}${taken ? " taken" : ""}`}>
      <path d={edge.path} markerEnd={taken ? "url(#chart-arrow-lit)" : "url(#chart-arrow)"}>
        <title>
          {stateName(edge.source)} → {stateName(edge.target)}: {edge.events.join(", ")}
          {edge.shortcut ? " (profile standard only)" : ""}
        </title>
      </path>
      {taken && <path key={trail.count} className="chart-trail" d={edge.path} pathLength={1} />}
      {edge.label && (
        <text x={edge.label.x} y={edge.label.y}>
          {edge.label.text}
        </text>
      )}
    </g>
  );
}

const arrow = (id: string) => (
  <marker id={id} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
    <path d="M1 1.2L7 4L1 6.8z" />
  </marker>
);

export function RunChart({ runId, state }: { readonly runId: string | undefined; readonly state: RunState }) {
  const trail = useTrail(runId, state);
  const lit = runChart.parents[state] ?? [];
  return (
    <svg
      className="chart"
      data-testid="statechart"
      data-state={state}
      role="img"
      aria-label={`State of the run: ${stateName(state)}`}
      viewBox={`0 0 ${runChart.width} ${runChart.height}`}
    >
      <defs>
        {arrow("chart-arrow")}
        {arrow("chart-arrow-lit")}
      </defs>
      {runChart.groups.map((group) => (
        <g key={group.id} className={`chart-group ${group.id}${lit.includes(group.id) ? " lit" : ""}`}>
          <rect x={group.x} y={group.y} width={group.width} height={group.height} rx={14} />
          <text x={group.x + 13} y={group.y + 18}>
            {group.id}
          </text>
        </g>
      ))}
      {runChart.edges.map((edge) => (
        <Way key={edge.id} edge={edge} trail={trail} />
      ))}
      {runChart.nodes.map((node) => (
        <StateBox key={node.id} node={node} lit={node.id === state} />
      ))}
    </svg>
  );
}
