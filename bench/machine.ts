/** What one step of the run machine costs: interpreted and compiled, one actor and many alive. */
import { createActor } from "xstate";
import { compiled } from "../machines/compiled.ts";
import type { RunFact } from "../machines/run.ts";
import { runMachine } from "../machines/run.ts";

const manyActors = 10_000;
const steps = 200_000;
const cycle: readonly RunFact[] = [
  { type: "agent_thinking", data: {} },
  { type: "agent_thinking", data: { thought: "again" } },
];

function microsPerStep(logic: typeof runMachine, actorCount: number): number {
  const actors = Array.from({ length: actorCount }, () =>
    createActor(logic, { input: { profile: "standard" } }).start(),
  );
  for (const actor of actors) actor.send({ type: "agent_started", data: { agent: "bench" } });
  const run = (count: number): number => {
    const startMs = performance.now();
    for (let step = 0; step < count; step += 1) {
      const fact = cycle[step % cycle.length];
      if (fact) actors[step % actors.length]?.send(fact);
    }
    return ((performance.now() - startMs) * 1_000) / count;
  };
  run(steps / 10);
  const micros = run(steps);
  for (const actor of actors) actor.stop();
  return micros;
}

export async function benchMachine(): Promise<string> {
  const lines = ["machine: one lifecycle event through a run actor"];
  for (const [name, logic] of [
    ["interpreted by XState (the floor)", runMachine],
    ["compiled", compiled(runMachine)],
  ] as const) {
    const one = microsPerStep(logic, 1).toFixed(2);
    const many = microsPerStep(logic, manyActors).toFixed(2);
    lines.push(`  ${name.padEnd(34)} ${one} µs; with ${manyActors} actors alive ${many} µs`);
  }
  return lines.join("\n");
}
