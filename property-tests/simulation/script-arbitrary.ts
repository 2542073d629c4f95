/** Scripts as fast-check draws and shrinks them: fewer and shorter first. */
import * as fc from "fast-check";
import type { DeviceScript, Fault, NoticeScript, RunScript, Script, Settings } from "./script.ts";
import { faultKinds, severalKinds } from "./script.ts";

const faultyMs = 20_000;
const user = fc.nat(1);

const settings: fc.Arbitrary<Settings> = fc.record({
  faultyMs: fc.constant(faultyMs),
  users: fc.integer({ min: 1, max: 2 }),
  heartbeatMs: fc.constantFrom(2_000, 1_000, 15_000),
  leaseMs: fc.constantFrom(3_000, 1_000, 10_000),
  graceMs: fc.constantFrom(2_000, 500, 10_000),
  windowEvents: fc.constantFrom(1_024, 20, 2, 1),
  windowBytes: fc.constantFrom(1_048_576, 5_000, 1),
  tokenMs: fc.constantFrom(3_600_000, 40_000),
  minLatencyMs: fc.constantFrom(0, 20),
  maxLatencyMs: fc.constantFrom(20, 300),
  writeMs: fc.constantFrom(0, 10),
  syncMs: fc.constantFrom(0, 30),
  readMs: fc.constantFrom(0, 50),
  drift: fc.constantFrom(0, 0.01),
  nodes: fc.constantFrom(undefined, undefined, 2),
});

const device: fc.Arbitrary<DeviceScript> = fc
  .record({
    user,
    storage: fc.constantFrom("volatile" as const, "durable" as const),
    from: fc.constantFrom("start" as const, "active" as const, "now" as const),
    reads: fc.constantFrom("at once" as const, "slowly" as const),
    wants: fc.constantFrom("all" as const, "all" as const, "deltas" as const),
    merges: fc.boolean(),
    bytesPerMs: fc.constantFrom(1_000, 100),
  })
  .map((each) => (each.reads === "slowly" ? { ...each, from: "start" } : each));

const run: fc.Arbitrary<RunScript> = fc.record({
  user,
  atMs: fc.nat(faultyMs / 2),
  profile: fc.constantFrom("standard" as const, "strict" as const),
  onIllegal: fc.constantFrom("reject" as const, "repair" as const, "quarantine" as const),
  mode: fc.constantFrom("regular" as const, "regular" as const, "performance" as const),
  batches: fc.nat(15),
  batchMax: fc.constantFrom(1, 3, 12),
  paceMs: fc.constantFrom(5, 50, 500, 2_000),
  illegal: fc.constantFrom(0, 0.1, 0.3),
  asks: fc.boolean(),
  fallsSilent: fc.boolean(),
  parent: fc.constantFrom(undefined, undefined, 0),
  cancelAtMs: fc.option(fc.nat(faultyMs), { nil: undefined }),
});

const notice: fc.Arbitrary<NoticeScript> = fc.record({
  user,
  atMs: fc.nat(faultyMs),
  ackWaitMs: fc.constantFrom(0, 2_000),
});

const fault: fc.Arbitrary<Fault> = fc.record({
  atMs: fc.nat(faultyMs),
  // Without several servers those of the last kinds do nothing.
  kind: fc.constantFrom(...faultKinds, ...severalKinds),
  who: fc.nat(7),
  forMs: fc.constantFrom(1, 50, 500, 3_000, 12_000, 40_000),
  part: fc.nat(99).map((percent) => percent / 100),
});

export const scripts: fc.Arbitrary<Script> = fc
  .record({
    seed: fc.nat(),
    settings,
    devices: fc.array(device, { minLength: 1, maxLength: 4 }),
    runs: fc.array(run, { minLength: 1, maxLength: 4 }),
    notices: fc.array(notice, { maxLength: 2 }),
    faults: fc.array(fault, { maxLength: 12 }),
  })
  // The first run has nobody to be the child of.
  .map((script) => ({
    ...script,
    runs: script.runs.map((each, index) => (index === 0 ? { ...each, parent: undefined } : each)),
  }));
