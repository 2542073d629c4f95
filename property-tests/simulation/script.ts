/**
 * A world as data: what it is made of, who lives in it, and what goes wrong when. Everything else follows from the
 * seed, so a script is what a failure is handed on as, and what gets shorter until nothing can be left out.
 */

export const faultKinds = [
  "server.kill",
  "server.drain",
  "server.stop",
  "server.replace",
  "server.wallJump",
  "power.cut",
  "log.restore",
  "log.retire",
  "log.compact",
  "log.failBefore",
  "log.failAfter",
  "log.full",
  "log.slow",
  "log.deaf",
  "net.cut",
  "net.cutAfter",
  "net.halfOpen",
  "net.deafUp",
  "net.deafDown",
  "net.spike",
  "net.loseAnswers",
  "device.crash",
  "device.freeze",
  "device.garble",
  "device.reload",
  "runner.kill",
  "runner.stop",
  "runner.replace",
] as const;
/** What can go wrong besides where several servers share a store. */
export const severalKinds = [
  "node.cut",
  "node.loseAnswers",
  "bells.break",
  "bells.lose",
  "bells.delay",
  "store.restart",
] as const;
export type FaultKind = (typeof faultKinds)[number] | (typeof severalKinds)[number];

export interface Fault {
  readonly atMs: number;
  readonly kind: FaultKind;
  /** Which server, device or runner: counted round. */
  readonly who: number;
  /** How long it lasts, or until the next process. */
  readonly forMs: number;
  /** [0, 1): how much of it. */
  readonly part: number;
}

export interface Settings {
  /** Faults happen in this time; then everything heals. */
  readonly faultyMs: number;
  readonly users: number;
  readonly heartbeatMs: number;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly windowEvents: number;
  readonly windowBytes: number;
  readonly tokenMs: number;
  readonly minLatencyMs: number;
  readonly maxLatencyMs: number;
  readonly writeMs: number;
  readonly syncMs: number;
  readonly readMs: number;
  /** Clocks run this much wrong at most: 0.001 is a second in a quarter of an hour. */
  readonly drift: number;
  /** So many servers at a time, over a store that they share. Undefined: one, whose own the store is. */
  readonly nodes?: number | undefined;
}

export interface DeviceScript {
  readonly user: number;
  /** `durable`: its place and its application's state outlive it, together. */
  readonly storage: "durable" | "volatile";
  readonly from: "active" | "start" | "now";
  readonly reads: "at once" | "slowly";
  readonly wants: "all" | "deltas";
  readonly merges: boolean;
  readonly bytesPerMs: number;
}

export interface RunScript {
  readonly user: number;
  readonly atMs: number;
  readonly profile: "standard" | "strict";
  readonly onIllegal: "reject" | "repair" | "quarantine";
  readonly mode: "regular" | "performance";
  readonly batches: number;
  readonly batchMax: number;
  readonly paceMs: number;
  /** How often it says what it may not. */
  readonly illegal: number;
  /** Whether it stops to ask a human. */
  readonly asks: boolean;
  /** It never says that it is done. */
  readonly fallsSilent: boolean;
  /** A sub-agent of an earlier run of the same user. */
  readonly parent?: number | undefined;
  /** A user asks it to stop. */
  readonly cancelAtMs?: number | undefined;
}

export interface NoticeScript {
  readonly user: number;
  readonly atMs: number;
  readonly ackWaitMs: number;
}

export interface Script {
  readonly seed: number;
  readonly settings: Settings;
  readonly devices: readonly DeviceScript[];
  readonly runs: readonly RunScript[];
  readonly notices: readonly NoticeScript[];
  readonly faults: readonly Fault[];
}
