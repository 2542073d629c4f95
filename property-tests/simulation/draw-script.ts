/** A script from a seed. Swarm: each seed switches on some kinds of faults only, and draws small limits (buggify). */
import { Chance } from "./chance.ts";
import type { DeviceScript, Fault, FaultKind, NoticeScript, RunScript, Script, Settings } from "./script.ts";
import { faultKinds, severalKinds } from "./script.ts";

const kindShare = 0.3;
const maxFaults = 14;

/** `isSeveral`: one to three servers at a time over a store that they share; else one over its own. */
export function drawScript(seed: number, isSeveral = false): Script {
  const chance = new Chance(`${isSeveral ? "several" : "script"} ${seed}`);
  const settings = { ...drawSettings(chance), ...(isSeveral && { nodes: chance.pick([1, 2, 2, 3, 3]) }) };
  const devices = some(chance, 1, 5, () => drawDevice(chance, settings));
  const runs = some(chance, 1, 5, (index) => drawRun(chance, settings, index));
  const notices = some(chance, 0, 3, () => drawNotice(chance, settings));
  return { seed, settings, devices, runs, notices, faults: drawFaults(chance, settings) };
}

const some = <Item>(chance: Chance, from: number, upto: number, make: (index: number) => Item): readonly Item[] =>
  Array.from({ length: chance.whole(from, upto) }, (_, index) => make(index));

function drawSettings(chance: Chance): Settings {
  return {
    faultyMs: chance.pick([10_000, 20_000, 40_000]),
    users: chance.whole(1, 2),
    heartbeatMs: chance.pick([1_000, 2_000, 5_000, 15_000]),
    leaseMs: chance.pick([1_000, 3_000, 10_000]),
    graceMs: chance.pick([500, 2_000, 10_000]),
    windowEvents: chance.pick([1, 2, 5, 20, 1_024]),
    windowBytes: chance.pick([1, 500, 5_000, 1_048_576]),
    tokenMs: chance.pick([40_000, 3_600_000]),
    minLatencyMs: chance.pick([0, 1, 20]),
    maxLatencyMs: chance.pick([20, 50, 300]),
    writeMs: chance.pick([0, 1, 10]),
    syncMs: chance.pick([0, 2, 30]),
    readMs: chance.pick([0, 2, 50]),
    drift: chance.pick([0, 0.0001, 0.01]),
  };
}

function drawDevice(chance: Chance, { users, heartbeatMs }: Settings): DeviceScript {
  const reads = chance.is(0.3) ? "slowly" : "at once";
  const storage = chance.is(0.4) ? "durable" : "volatile";
  return {
    user: chance.index(users),
    storage,
    // A slow reader has to know where its reading begins.
    from: reads === "slowly" ? "start" : chance.pick(["active", "active", "start", "now"]),
    reads,
    wants: chance.is(0.1) ? "deltas" : "all",
    merges: chance.is(0.7),
    // A line that does not carry a frame within two heartbeats carries nothing.
    bytesPerMs: chance.pick([heartbeatMs > 2_000 ? 20 : 100, 100, 1_000, 1_000]),
  };
}

function drawRun(chance: Chance, { users, faultyMs, nodes }: Settings, index: number): RunScript {
  // Several nodes know of different children.
  const parent = index > 0 && chance.is(nodes === undefined ? 0.25 : 0.6) ? chance.index(index) : undefined;
  return {
    user: chance.index(users),
    atMs: chance.whole(0, faultyMs / 2),
    profile: chance.is(0.3) ? "strict" : "standard",
    onIllegal: chance.pick(["reject", "reject", "repair", "quarantine"]),
    mode: chance.is(0.15) ? "performance" : "regular",
    batches: chance.whole(1, 20),
    batchMax: chance.pick([1, 3, 12]),
    paceMs: chance.pick([5, 50, 500, 2_000]),
    illegal: chance.pick([0, 0, 0.1, 0.3]),
    asks: chance.is(0.3),
    fallsSilent: chance.is(0.15),
    ...(parent !== undefined && { parent }),
    ...(chance.is(0.2) && { cancelAtMs: chance.whole(faultyMs / 4, faultyMs) }),
  };
}

const drawNotice = (chance: Chance, { users, faultyMs }: Settings): NoticeScript => ({
  user: chance.index(users),
  atMs: chance.whole(0, faultyMs),
  ackWaitMs: chance.pick([0, 0, 2_000]),
});

function drawFaults(chance: Chance, { faultyMs, nodes }: Settings): readonly Fault[] {
  const all: readonly FaultKind[] = nodes === undefined ? faultKinds : [...faultKinds, ...severalKinds];
  const kinds = all.filter(() => chance.is(kindShare));
  const count = kinds.length === 0 ? 0 : chance.whole(0, maxFaults);
  return Array.from({ length: count }, () => drawFault(chance, kinds, faultyMs)).sort((a, b) => a.atMs - b.atMs);
}

function drawFault(chance: Chance, kinds: readonly FaultKind[], faultyMs: number): Fault {
  return {
    atMs: chance.whole(0, faultyMs),
    kind: chance.pick(kinds) ?? "net.cut",
    who: chance.index(8),
    forMs: chance.pick([1, 50, 500, 3_000, 12_000, 40_000]),
    part: chance.whole(0, 99) / 100,
  };
}
