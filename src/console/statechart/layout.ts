/**
 * Coordinates for the run's picture, computed by ELK at build time; the page only draws. Before it stands
 * `run-graph`, after it the plugin that hands the result to the page.
 */
import elk from "elkjs/lib/elk.bundled.js";
import type { ElkExtendedEdge, ElkNode } from "elkjs/lib/elk-api.js";
import type { GraphEdge, RunGraph } from "./run-graph.ts";

export interface ChartNode {
  readonly id: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly terminal: boolean;
  /** Events that leave this state where it is. */
  readonly loop: readonly string[];
}

export interface ChartEdge {
  readonly id: string;
  readonly source: string;
  readonly target: string;
  readonly events: readonly string[];
  readonly shortcut: boolean;
  /** SVG path data. */
  readonly path: string;
  readonly label?: { readonly text: string; readonly x: number; readonly y: number };
}

export interface ChartGroup {
  readonly id: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Chart {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly ChartNode[];
  readonly groups: readonly ChartGroup[];
  readonly edges: readonly ChartEdge[];
  /** Which groups a state stands in, outermost first. */
  readonly parents: Readonly<Record<string, readonly string[]>>;
}

// Units of the picture: one is one CSS pixel when the panel is as wide as the chart.
const nodeHeight = 30;
const charWidth = 7.4;
const nodePadding = 26;
const labelCharWidth = 5.7;
const labelHeight = 12;
const cornerRadius = 7;

const layoutOptions = {
  "elk.algorithm": "layered",
  "elk.direction": "DOWN",
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.layered.nodePlacement.strategy": "BRANDES_KOEPF",
  "elk.layered.nodePlacement.bk.fixedAlignment": "BALANCED",
  "elk.layered.spacing.nodeNodeBetweenLayers": "15",
  "elk.spacing.nodeNode": "16",
  "elk.spacing.edgeNode": "14",
  "elk.spacing.edgeEdge": "12",
  "elk.layered.spacing.edgeNodeBetweenLayers": "9",
  "elk.layered.spacing.edgeEdgeBetweenLayers": "8",
  "elk.edgeLabels.inline": "true",
  "elk.layered.considerModelOrder.strategy": "PREFER_NODES",
  "elk.layered.cycleBreaking.strategy": "MODEL_ORDER",
  "elk.padding": "[top=4,left=4,bottom=4,right=4]",
};
const groupOptions = { "elk.padding": "[top=24,left=12,bottom=11,right=12]" };

/** The line's words; ways into and out of a life need none, as their events bear the names of their ends. */
function labelOf(edge: GraphEdge, graph: RunGraph): string | undefined {
  const outside = (id: string) => graph.states.includes(id) && !graph.groups.living.includes(id);
  return edge.shortcut || outside(edge.source) || outside(edge.target) ? undefined : edge.events.join(" · ");
}

/** An orthogonal line with rounded corners. */
export function roundedPath(points: readonly { readonly x: number; readonly y: number }[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  let path = `M${round(first.x)} ${round(first.y)}`;
  let before = first;
  for (const [index, corner] of rest.entries()) {
    const next = rest[index + 1];
    if (next === undefined) return `${path}L${round(corner.x)} ${round(corner.y)}`;
    const inLength = Math.hypot(corner.x - before.x, corner.y - before.y);
    const outLength = Math.hypot(next.x - corner.x, next.y - corner.y);
    const radius = Math.min(cornerRadius, inLength / 2, outLength / 2);
    const enter = towards(corner, before, radius / (inLength || 1));
    const leave = towards(corner, next, radius / (outLength || 1));
    path += `L${round(enter.x)} ${round(enter.y)}Q${round(corner.x)} ${round(corner.y)} ${round(leave.x)} ${round(leave.y)}`;
    before = corner;
  }
  return path;
}

type Point = { readonly x: number; readonly y: number };
const round = (value: number) => Math.round(value * 10) / 10;
const towards = (from: Point, to: Point, share: number): Point => ({
  x: from.x + (to.x - from.x) * share,
  y: from.y + (to.y - from.y) * share,
});

const isWayBack = (edge: GraphEdge) => edge.target === "running";

function elkGraph(graph: RunGraph): ElkNode {
  const state = (id: string): ElkNode => ({ id, width: id.length * charWidth + nodePadding, height: nodeHeight });
  const outside = graph.states.filter((id) => !graph.groups.living.includes(id));
  const beside = graph.groups.living.filter((id) => !graph.groups.running.includes(id));
  const running: ElkNode = { id: "running", layoutOptions: groupOptions, children: graph.groups.running.map(state) };
  const living: ElkNode = {
    id: "living",
    layoutOptions: groupOptions,
    children: [running, ...beside.map(state)],
  };
  return {
    id: "run",
    layoutOptions,
    children: [
      ...outside.filter((id) => !graph.terminals.includes(id)).map(state),
      living,
      ...graph.terminals.map(state),
    ],
    edges: graph.edges.map((edge, index): ElkExtendedEdge => {
      const text = labelOf(edge, graph);
      return {
        id: String(index),
        // A way back into a group is laid out as a way out of it and drawn from its other end: no detour.
        sources: [isWayBack(edge) ? edge.target : edge.source],
        targets: [isWayBack(edge) ? edge.source : edge.target],
        ...(text === undefined
          ? {}
          : { labels: [{ text, width: text.length * labelCharWidth + 8, height: labelHeight }] }),
      };
    }),
  };
}

/** Lays the graph out. */
export async function layoutChart(graph: RunGraph): Promise<Chart> {
  const placed = await new elk.default().layout(elkGraph(graph));
  const boxes = new Map<string, ChartGroup>();
  const visit = (node: ElkNode, left: number, top: number) => {
    const x = left + (node.x ?? 0);
    const y = top + (node.y ?? 0);
    boxes.set(node.id, {
      id: node.id,
      x: round(x),
      y: round(y),
      width: round(node.width ?? 0),
      height: node.height ?? 0,
    });
    for (const child of node.children ?? []) visit(child, x, y);
  };
  visit(placed, 0, 0);
  const box = (id: string): ChartGroup => boxes.get(id) ?? { id, x: 0, y: 0, width: 0, height: 0 };

  const edges = (placed.edges ?? []).flatMap((line): ChartEdge[] => {
    const edge = graph.edges[Number(line.id)];
    if (edge === undefined) return [];
    // ELK writes a line's coordinates in the system of the box that holds both its ends.
    const container = box((line as { container?: string }).container ?? "run");
    const moved = (point: Point) => ({ x: point.x + container.x, y: point.y + container.y });
    const points = (line.sections ?? []).flatMap((section) =>
      [section.startPoint, ...(section.bendPoints ?? []), section.endPoint].map(moved),
    );
    if (isWayBack(edge)) points.reverse();
    const label = line.labels?.[0];
    const at =
      label && moved({ x: (label.x ?? 0) + (label.width ?? 0) / 2, y: (label.y ?? 0) + (label.height ?? 0) / 2 });
    return [
      {
        ...edge,
        id: `${edge.source}-${edge.target}`,
        path: roundedPath(points),
        ...(at && label?.text !== undefined ? { label: { text: label.text, x: round(at.x), y: round(at.y) } } : {}),
      },
    ];
  });

  return {
    width: Math.ceil(box("run").width),
    height: Math.ceil(box("run").height),
    nodes: graph.states.map((id) => ({
      ...box(id),
      terminal: graph.terminals.includes(id),
      loop: graph.loops[id] ?? [],
    })),
    groups: Object.keys(graph.groups).map(box),
    edges,
    parents: Object.fromEntries(
      graph.states.map((id) => [
        id,
        Object.entries(graph.groups).flatMap(([group, members]) => (members.includes(id) ? [group] : [])),
      ]),
    ),
  };
}
