/** Waiting for what must come to hold: unlike `expect.poll` also where tests run side by side. */
import { vi } from "vitest";

const patienceMs = 20_000;
const lookMs = 5;

/** Tries until it no longer throws; fails with the last error. Answers what it answered. */
export function eventually<Value>(check: () => Value | Promise<Value>, timeoutMs = patienceMs): Promise<Value> {
  return vi.waitFor(check, { timeout: timeoutMs, interval: lookMs });
}
