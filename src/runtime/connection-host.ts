/** What a connection needs of `connections`, which gives it: the only hands and eyes that `connection` has. */
import type { BreakerState } from "../../machines/circuit-breaker.ts";
import type { CommandFrame, HelloFrame, ServerFrame, StatusFrame } from "../../protocol/frames.ts";
import type { Offset, RunId, StreamKey } from "../../protocol/ids.ts";
import type { UserPrincipal } from "../auth/principal.ts";
import type { Position } from "../log/event-log.ts";
import type { UserConnection } from "./connection.ts";
import type { ConnectionBreakerHost } from "./connection-breaker.ts";
import type { CredentialHost } from "./connection-credential.ts";
import type { StreamHub } from "./hub.ts";
import type { Limits } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { EncodedFrame, Transport } from "./transport.ts";

export interface ConnectionHost extends CredentialHost {
  readonly welcome: (user: UserPrincipal) => { readonly heartbeatMs: number; readonly windowEvents: number };
  readonly limits: Pick<Limits, "connect" | "frame">;
  readonly write: (transport: Transport, frame: EncodedFrame) => boolean;
  readonly openHub: (stream: StreamKey) => Promise<StreamHub>;
  readonly position: (stream: StreamKey) => Promise<Position>;
  readonly releaseHub: (hub: StreamHub, outbox?: Outbox) => void;
  /** Of the runs whose events will follow: a filtered thread would stand still for ever. */
  readonly snapshot: (
    stream: StreamKey,
    want: HelloFrame["want"],
  ) => Promise<Extract<ServerFrame, { type: "snapshot" }>>;
  /** Its runs that are stalled now: a snapshot says so itself, a replay does not. */
  readonly stalled: (stream: StreamKey) => Iterable<RunId>;
  /** Breakers that concern every user and are not closed now. */
  readonly troubles: () => Iterable<StatusFrame>;
  readonly breaker: ConnectionBreakerHost;
  /** Its own breaker came into another state. */
  readonly turned: (connection: UserConnection, state: BreakerState) => void;
  readonly outbox: (connection: UserConnection, hub: StreamHub, hello: HelloFrame, after: Offset) => Outbox;
  /** Registers under the user, before the first frame of the stream. */
  readonly settle: (connection: UserConnection, stream: StreamKey) => void;
  readonly saveCursor: (connection: UserConnection, offset: Offset) => void;
  readonly command: (connection: UserConnection, frame: CommandFrame) => void;
  readonly failed: (connection: UserConnection, cause: unknown) => void;
}
