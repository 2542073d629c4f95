/** What decides: every machine, and the pure functions over their snapshots. Imports xstate and nothing else. */
export * from "./client.ts";
export * from "./legality.ts";
export * from "./run.ts";
