/** Several runtimes ("nodes") over one log in memory and one clock: each sees the others only through the log. */
import { asRunId, asTenantId } from "../../protocol/ids.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { EmbeddedRun } from "../../src/runtime/embedded-run.ts";
import { eventIds } from "../../src/runtime/event-id.ts";
import type { RuntimeLayerOptions } from "../../src/runtime/layer.ts";
import type { ManualClock } from "../../src/testing/manual-clock.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import type { FaultyLog } from "../../src/testing/world/faulty-log.ts";
import { faultyLog } from "../../src/testing/world/faulty-log.ts";
import type { ProcessClock } from "../../src/testing/world/process-clock.ts";
import { processClock } from "../../src/testing/world/process-clock.ts";
import type { BellLine, SharedStore, SharedView } from "../../src/testing/world/shared-view.ts";
import { sharedStore } from "../../src/testing/world/shared-view.ts";
import type { RuntimeUnderTest } from "./runtime-under-test.ts";
import { runtimeUnderTest } from "./runtime-under-test.ts";

export interface NodeUnderTest extends RuntimeUnderTest {
  readonly faults: FaultyLog;
  readonly view: SharedView;
  /** kill -9: nothing of it fires, is written or is heard any more. */
  readonly kill: () => void;
}

export interface NodesUnderTest {
  readonly clock: ManualClock;
  /** The log itself, which no node is between. */
  readonly log: EventLog;
  readonly nodes: readonly [NodeUnderTest, NodeUnderTest, ...NodeUnderTest[]];
  readonly join: () => Promise<NodeUnderTest>;
}

type NodeOptions = Partial<Omit<RuntimeLayerOptions, "clock">>;

export interface NodesTerms {
  readonly count?: number;
  readonly line?: BellLine;
  /** Default: one in memory. */
  readonly log?: EventLog;
}

async function nodeOf(store: SharedStore, clock: ManualClock, options: NodeOptions, line?: BellLine) {
  const view = store.view(line);
  const faults = faultyLog(view);
  const life: ProcessClock = processClock(clock);
  const runtime = await runtimeUnderTest({ ...options, log: faults, clock: { ...clock, ...life } as ManualClock });
  const kill = (): void => {
    faults.kill();
    life.kill();
  };
  return { ...runtime, clock, faults, view, kill };
}

export async function nodesUnderTest(
  options: NodeOptions = {},
  { count = 2, line, log = memoryLog() }: NodesTerms = {},
): Promise<NodesUnderTest> {
  const clock = manualClock();
  const store = sharedStore(log);
  const join = (): Promise<NodeUnderTest> => nodeOf(store, clock, options, line);
  const [first, second] = [await join(), await join()];
  const others: NodeUnderTest[] = [];
  for (let made = 2; made < count; made += 1) others.push(await join());
  return { clock, log, nodes: [first, second, ...others], join };
}

/** Starts a run whose runner is embedded in this node. */
export async function embedIn({ parts, clock }: RuntimeUnderTest, runId: string): Promise<EmbeddedRun> {
  const { desk } = await parts.runs.start(asTenantId("default"), { userId: "alice", agent: "tester", runId });
  if (desk === undefined) throw new Error("the run is over");
  return new EmbeddedRun(parts.runs, desk, eventIds(clock));
}

/** The types of all that the log holds of a run. */
export async function writtenOf(log: EventLog, runId: string): Promise<readonly string[]> {
  const events = await log.readRun(asTenantId("default"), asRunId(runId), 0, { maxEvents: 1_000, maxBytes: 1_000_000 });
  return events.map(({ type }) => type);
}
