/** The same as `known-seeds`, of worlds in which servers share their store. */
import type { Script } from "./script.ts";

export const knownSeveral: readonly (readonly [broke: string, script: Script])[] = [
  [
    "L16: the only node of a shared store had no room for the end of a run, and never tried again",
    {
      seed: 10321,
      settings: {
        faultyMs: 10000,
        users: 1,
        heartbeatMs: 15000,
        leaseMs: 1000,
        graceMs: 500,
        windowEvents: 1024,
        windowBytes: 1048576,
        tokenMs: 3600000,
        minLatencyMs: 0,
        maxLatencyMs: 20,
        writeMs: 0,
        syncMs: 0,
        readMs: 0,
        drift: 0,
        nodes: 1,
      },
      devices: [
        {
          user: 0,
          storage: "volatile",
          from: "active",
          reads: "at once",
          wants: "all",
          merges: true,
          bytesPerMs: 1000,
        },
      ],
      runs: [
        {
          user: 0,
          atMs: 0,
          profile: "standard",
          onIllegal: "reject",
          mode: "regular",
          batches: 0,
          batchMax: 1,
          paceMs: 5,
          illegal: 0,
          asks: false,
          fallsSilent: true,
        },
      ],
      notices: [],
      faults: [{ atMs: 500, kind: "log.full", who: 0, forMs: 40000, part: 0 }],
    },
  ],
];
