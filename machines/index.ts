/** What decides: every machine, and the pure functions over their snapshots. Imports xstate and nothing else. */
export * from "./circuit-breaker.ts";
export * from "./client.ts";
export * from "./compiled.ts";
export * from "./connection.ts";
export * from "./delivery.ts";
export * from "./escalation.ts";
export * from "./legality.ts";
export * from "./repair.ts";
export * from "./run.ts";
export * from "./run-view.ts";
export * from "./supervisor.ts";
