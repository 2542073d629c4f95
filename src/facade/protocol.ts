/** What the old names take and promise. One context is one user: nothing here can name another. */
import type { Runcast } from "../index.ts";
import type { UnifiedWebSocketEmitter } from "./emitter.ts";

/** Whose events it is about, and what carries them. */
export interface UserContext {
  readonly runcast: Runcast;
  readonly userId: string;
  readonly tenantId?: string | undefined;
  readonly threadId?: string | undefined;
}

/** As the old callers have it. `type` gets `x.` before it where that is missing; without `data` the other fields are it. */
export interface FacadeEvent {
  readonly type: string;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** Makes a retry safe. */
  readonly key?: string | undefined;
  readonly [field: string]: unknown;
}

/** What a manager does, for who is given one. */
export interface WebSocketManagerProtocol {
  readonly userId: string;
  /** Resolves to the number of sockets that were handed the event; it is kept for the others. */
  sendEvent(event: FacadeEvent): Promise<number>;
  readonly emitter: UnifiedWebSocketEmitter;
}
