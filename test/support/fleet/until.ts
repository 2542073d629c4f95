/** Waiting for what must come to hold, also where no test runner is: the long search of `npm run fleet` needs it as well. */
import { setTimeout as pause } from "node:timers/promises";

const patienceMs = 20_000;
const lookMs = 10;

/** Asks until the answer is not undefined or false. Fails with `what` after the time. */
export async function until<Value>(
  what: string,
  ask: () => Value | undefined | false | Promise<Value | undefined | false>,
  timeoutMs = patienceMs,
): Promise<Value> {
  const endMono = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > endMono) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await pause(lookMs);
  }
}
