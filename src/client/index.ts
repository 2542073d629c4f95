/** `runcast/client`: for browsers and Node 22 or newer. */
export { connect, Client, type ClientReports } from "./client.ts";
export {
  ClientStopped,
  CommandNotSent,
  CommandRefused,
  CommandUnanswered,
  ConnectionLost,
  RunLost,
} from "./client-error.ts";
export type { ClientStatus, ConnectionState } from "./client-status.ts";
export { type CursorStorage, localStorageCursor, sessionStorageCursor } from "./cursor-storage.ts";
export type { StreamItem } from "./intake.ts";
export type { Unsubscribe } from "./listeners.ts";
export type { LiveRun } from "./live-run.ts";
export type { ConnectOptions, TokenAnswer, TokenRequest } from "./options.ts";
export { isOver } from "./run-store.ts";
export type { WebSocketConstructor, WebSocketLike } from "./socket.ts";
export type { Gap, StartPoint } from "./stream-position.ts";
export type { Random, Timers } from "./timers.ts";
export type { RunEvent, StreamEvent } from "../../protocol/event.ts";
export type { Cursor } from "../../protocol/ids.ts";
export type { RunView } from "../../protocol/run-view.ts";
