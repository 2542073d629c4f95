/**
 * What one of each thing costs: the constants of the cost model. `measure-costs` measures them, `measured.json` keeps
 * them, `model` multiplies. All are per one, at a load that batches little: what waits together costs less.
 */
export const activities = [
  "connect",
  "heartbeat",
  "follow",
  "run",
  "append",
  "deliver",
  "carry",
  "replay",
  "lease",
  "sweep",
  "node",
] as const;
export type Activity = (typeof activities)[number];

/** In a table, what one of it is. */
export const meanings: Readonly<Record<Activity, string>> = {
  connect: "a connection opened: handshake, token, hello, snapshot",
  heartbeat: "a ping and its pong",
  follow: "a second of a user's stream being followed by one node: the poll that backs up the bells",
  run: "a run's beginning and end, beyond its events",
  append: "an event appended, on the node that its publisher talks to",
  deliver: "an event sent to one connection",
  carry: "an event brought to one other node with readers: the bell, and reading the log",
  replay: "an event read back for a connection that was away, and sent",
  lease: "a second of a living run: renewing its lease",
  sweep: "a second of a living run, on each other node: looking for orphans and leases",
  node: "a second of a node that does nothing: flags, revocations, sweeps",
};

/** Of one of an activity. */
export interface Use {
  /** CPU of the node that does it. */
  readonly nodeMicros: number;
  /** CPU of the store's server; of an embedded store it is in the node's. */
  readonly storeMicros: number;
  readonly storeOperations: number;
  /** Between nodes and store, both ways. */
  readonly storeBytes: number;
  /** Between a node and its clients, both ways, without TCP's and TLS's own. */
  readonly clientBytes: number;
}

export interface StoreCosts {
  readonly label: string;
  readonly uses: Readonly<Record<Activity, Use>>;
  readonly memory: {
    readonly nodeMib: number;
    readonly connectionKib: number;
    /** A living run on the node that its publisher talks to. */
    readonly runKib: number;
  };
  /** In the store, with its indexes, for the events that the bench says. */
  readonly storedBytesPerEvent: number;
}

export interface Measured {
  /** Where, when and with what. */
  readonly about: string;
  readonly stores: Readonly<Record<string, StoreCosts>>;
}
