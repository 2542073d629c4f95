/** What one step of the run machine costs, with one actor and with many alive. */
import { createActor } from "xstate";
import type { RunFact } from "../machines/run.ts";
import { runMachine } from "../machines/run.ts";

const manyActors = 10_000;
const steps = 200_000;
const cycle: readonly RunFact[] = [
  { type: "agent_thinking", data: {} },
  { type: "agent_thinking", data: { thought: "again" } },
];

function microsPerStep(actorCount: number): number {
  const actors = Array.from({ length: actorCount }, () =>
    createActor(runMachine, { input: { profile: "standard" } }).start(),
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
  const one = microsPerStep(1).toFixed(2);
  const many = microsPerStep(manyActors).toFixed(2);
  return `machine: one lifecycle event through a run actor ${one} µs; with ${manyActors} actors alive ${many} µs`;
}
