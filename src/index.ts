/** `runcast`: the actor system to embed in an agent runner. The server, the client and the adapters have their own entries. */
export type { StreamEvent, RunEvent, EventInput } from "../protocol/event.ts";
export type { BroadcastResult } from "../protocol/http.ts";
export type { RunView } from "../protocol/run-view.ts";
export type { Authenticator } from "./auth/authenticator.ts";
export type { UserPrincipal } from "./auth/principal.ts";
export type { TokenCheck, TokenOwner } from "./auth/token-check.ts";
export * from "./errors.ts";
export type * from "./log/event-log.ts";
export { EventLogTag, eventLogLayer, memoryLogLayer, sqliteLogLayer } from "./log/layer.ts";
export { createRuncast, makeRuncast } from "./make-runcast.ts";
export type { DeliveredQuestion, Follow, Runcast, RuncastOptions, StartRunOptions } from "./runcast.ts";
export { Parts, partsLayer, runtimeLayer } from "./runtime/layer.ts";
export type { UserCommand } from "./runtime/options.ts";
export type { MessageChannel, Run, RunFailure, ToolCall } from "./runtime/run-handle.ts";
export { Runtime } from "./runtime/runtime.ts";
export type { Clock } from "./platform/clock.ts";
export type { Alert, Alerts, AlertSink, ToldAlert } from "./telemetry/alerts.ts";
export type { Journal } from "./telemetry/journal.ts";
