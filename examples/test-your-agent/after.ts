/**
 * The same agent with `runAgent` around it: a failed search stops the other one and waits for it, a stop is a stop,
 * and an end of unknown outcome is asked for again instead of followed by another.
 */
import type { Run } from "runcast";
import { runAgent } from "runcast/runner";
import type { Search } from "./before.ts";

export async function planTrip(run: Run, search: Search): Promise<void> {
  await runAgent(run, async (agent) => {
    await agent.thinking("A flight and a hotel.");
    const [flight, hotel] = await Promise.all([
      agent.tool("flights", (signal) => search.flights(signal)),
      agent.tool("hotels", (signal) => search.hotels(signal)),
    ]);
    await agent.message("plan", `${flight}, then ${hotel}.`);
    return { flight, hotel };
  });
}
