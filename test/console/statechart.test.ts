import { beforeAll, describe, expect, it } from "vitest";
import { type Chart, layoutChart, roundedPath } from "../../src/console/statechart/layout.ts";
import { runGraph } from "../../src/console/statechart/run-graph.ts";

describe("run graph", () => {
  const graph = runGraph();
  const edge = (source: string, target: string) =>
    graph.edges.find((candidate) => candidate.source === source && candidate.target === target);

  it("has every state of the machine and its four ends", () => {
    expect(graph.states).toHaveLength(10);
    expect(graph.terminals).toEqual(["completed", "failed", "cancelled", "interrupted"]);
  });

  it("says once for the whole group what is legal in each of its states", () => {
    expect(edge("living", "failed")?.events).toEqual(["agent_failed"]);
    expect(edge("living", "interrupted")?.events).toEqual(["agent_interrupted"]);
    expect(edge("running", "suspended")?.events).toEqual(["agent_suspended"]);
    expect(edge("suspended", "running")?.events).toEqual(["agent_resumed"]);
    expect(edge("thinking", "failed")).toBeUndefined();
    expect(graph.groups.running).not.toContain("suspended");
  });

  it("tells the bare chain from the ways that only the standard profile has", () => {
    expect(edge("thinking", "toolExecuting")?.shortcut).toBe(false);
    expect(edge("toolCompleted", "completed")?.shortcut).toBe(false);
    expect(edge("started", "toolExecuting")?.shortcut).toBe(true);
    expect(edge("started", "completed")?.shortcut).toBe(true);
  });

  it("shows no way out of a call that is open", () => {
    expect(edge("toolExecuting", "completed")).toBeUndefined();
    expect(graph.loops["toolExecuting"]).toContain("tool_executing");
  });
});

describe("statechart layout", () => {
  let chart: Chart;
  beforeAll(async () => {
    chart = await layoutChart(runGraph());
  });

  it("fits a side panel", () => {
    expect(chart.width).toBeLessThanOrEqual(480);
    expect(chart.height).toBeLessThanOrEqual(720);
  });

  it("lets no two states overlap, and puts each into its groups", () => {
    for (const [index, one] of chart.nodes.entries()) {
      for (const other of chart.nodes.slice(index + 1)) {
        const apart =
          one.x + one.width <= other.x ||
          other.x + other.width <= one.x ||
          one.y + one.height <= other.y ||
          other.y + other.height <= one.y;
        expect(apart, `${one.id} and ${other.id}`).toBe(true);
      }
      for (const id of chart.parents[one.id] ?? []) {
        const group = chart.groups.find((candidate) => candidate.id === id);
        expect(group && one.x > group.x && one.x + one.width < group.x + group.width, `${one.id} in ${id}`).toBe(true);
      }
    }
  });

  it("lets no label lie on a state or on another label", () => {
    const labels = chart.edges.flatMap(({ label }) => (label ? [label] : []));
    expect(labels.map(({ text }) => text)).toContain("agent_suspended");
    const half = (text: string) => (text.length * 5.7) / 2;
    for (const [index, label] of labels.entries()) {
      for (const node of chart.nodes) {
        const inside =
          label.x + half(label.text) > node.x &&
          label.x - half(label.text) < node.x + node.width &&
          label.y > node.y &&
          label.y < node.y + node.height;
        expect(inside, `${label.text} on ${node.id}`).toBe(false);
      }
      for (const other of labels.slice(index + 1)) {
        const apart =
          Math.abs(label.y - other.y) >= 10 || Math.abs(label.x - other.x) >= half(label.text) + half(other.text);
        expect(apart, `${label.text} on ${other.text}`).toBe(true);
      }
    }
  });

  it("is the same at every build", async () => {
    expect(await layoutChart(runGraph())).toEqual(chart);
  });
});

describe("rounded path", () => {
  it("bends corners and keeps both ends", () => {
    const path = roundedPath([
      { x: 0, y: 0 },
      { x: 0, y: 40 },
      { x: 30, y: 40 },
    ]);
    expect(path).toBe("M0 0L0 33Q0 40 7 40L30 40");
  });
});
