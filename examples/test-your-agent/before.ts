/** An agent as it is often written: two searches at once, an answer, and an error handler. Can you see what is wrong? */
import type { Run } from "runcast";

export interface Search {
  flights(signal: AbortSignal): Promise<string>;
  hotels(signal: AbortSignal): Promise<string>;
}

export async function planTrip(run: Run, search: Search): Promise<void> {
  try {
    await run.thinking("A flight and a hotel.");
    const [flight, hotel] = await Promise.all([
      run.tool({ toolName: "flights" }, (signal) => search.flights(signal)),
      run.tool({ toolName: "hotels" }, (signal) => search.hotels(signal)),
    ]);
    await run.message("plan", `${flight}, then ${hotel}.`);
    await run.completed({ flight, hotel });
  } catch (error) {
    await run.failed({ code: "no_trip", message: String(error) });
  }
}
