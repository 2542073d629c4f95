/** What another node on the same log does to a run, while the runner's own process cannot reach that log. */
import { testRuncast } from "../make-test-runcast.ts";
import type { TestRuncast, TestRuncastOptions } from "../test-runcast.ts";

interface NodeTerms extends TestRuncastOptions {
  readonly leaseMs: number;
  readonly graceMs: number;
}

/** The deadline wheel's tick, and then some. */
const tickMs = 100;

async function apart(
  cutOff: TestRuncast,
  terms: NodeTerms,
  happens: (other: TestRuncast) => Promise<unknown>,
): Promise<void> {
  const release = cutOff.log.holdWrites();
  const other = await testRuncast(terms);
  await happens(other);
  await other.close();
  release();
}

export const lossWords = {
  lapse: "the process is cut off from its log until the lease is over",
  takeover: "another runner claims the run and ends it",
} as const;

export const otherNode = {
  /** The run's lease and grace pass there: it is interrupted. */
  lapse: (cutOff: TestRuncast, terms: NodeTerms): Promise<void> =>
    apart(cutOff, terms, (other) => other.advance(terms.leaseMs + terms.graceMs + tickMs)),
  /** Another runner claims the run there, and ends it. */
  takeover: (cutOff: TestRuncast, terms: NodeTerms, runId: string): Promise<void> =>
    apart(cutOff, terms, async (other) => {
      const handle = await other.claim(runId);
      await handle.failed({ code: "taken_over", message: "ended by the other runner" });
    }),
} as const;
