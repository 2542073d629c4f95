/** `runcast/publisher`: for runners in a process of their own; Node 22 or newer, and whatever has `fetch`. */
export { connectPublisher, type Publisher, type RunTerms } from "./publisher.ts";
export type { PublisherFetch, PublisherOptions, RefusedEvents } from "./options.ts";
export {
  AlreadyResolved,
  Contaminated,
  Fenced,
  Forbidden,
  IllegalTransition,
  InvalidConfig,
  InvalidInput,
  KeyConflict,
  LogFull,
  LogUnavailable,
  NotAccepting,
  NotFound,
  type Outcome,
  PublishFailure,
  RunEnded,
  RunExists,
  SeqConflict,
  TooLarge,
  TooMany,
  Unauthenticated,
  UnexpectedAnswer,
} from "./publish-failure.ts";
export type { ClaimedRun } from "./remote-run.ts";
export type { EventInput } from "../../protocol/event.ts";
export type { PublishAnswer } from "../../protocol/http.ts";
export type { RunView } from "../../protocol/run-view.ts";
export type { MessageChannel, Run, RunFailure, ToolCall } from "../runtime/run-handle.ts";
