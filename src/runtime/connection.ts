/**
 * One user connection: does what `machines/connection` decides. It turns frames into facts and answers, and holds
 * the outbox from `ready` to `closed`. Nothing is handled before authentication; what comes early waits its turn.
 */
import type { Actor } from "xstate";
import type { ConnectionFact, connectionMachine } from "../../machines/connection.ts";
import type { AuthExpiringFrame, ClientFrame, HelloFrame, ServerFrame, StatusFrame } from "../../protocol/frames.ts";
import type { ConnectionId, DeviceId, Offset, StreamKey } from "../../protocol/ids.ts";
import { asDeviceId, streamKey } from "../../protocol/ids.ts";
import type { Issue } from "../../protocol/json.ts";
import type { UserPrincipal } from "../auth/principal.ts";
import { LogUnavailable } from "../errors.ts";
import { ConnectionBreaker } from "./connection-breaker.ts";
import { ConnectionCredential } from "./connection-credential.ts";
import type { ConnectionHost } from "./connection-host.ts";
import { encodeFrame } from "./frames.ts";
import type { StreamHub } from "./hub.ts";
import { isWithin } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { Start } from "./resume.ts";
import { reachesBack, startOf } from "./resume.ts";
import type { Connection, OpenConnection } from "./runtime.ts";
import type { Transport } from "./transport.ts";

/** Frames that may come between `hello` and `welcome`. */
const maxEarlyFrames = 32;

export class UserConnection implements Connection {
  readonly id: ConnectionId;
  readonly transport: Transport;
  readonly actor: Actor<typeof connectionMachine>;
  readonly credential: ConnectionCredential;
  device: DeviceId | undefined;
  stream: StreamKey | undefined;
  hub: StreamHub | undefined;
  outbox: Outbox | undefined;
  /** The step of the heartbeat that pings it. */
  heartbeat: Set<UserConnection> | undefined;
  /** Heard since the last ping. */
  wasHeard = true;
  readonly breaker: ConnectionBreaker;
  private readonly host: ConnectionHost;
  private early: ClientFrame[] | undefined;

  constructor(
    host: ConnectionHost,
    id: ConnectionId,
    transport: Transport,
    actor: Actor<typeof connectionMachine>,
    { principal, remoteAddress }: Pick<OpenConnection, "principal" | "remoteAddress">,
  ) {
    this.host = host;
    this.id = id;
    this.transport = transport;
    this.actor = actor;
    this.breaker = new ConnectionBreaker(host.breaker, `breaker.${id}`, (state) => host.turned(this, state));
    const wire = {
      attempt: { via: transport.kind, address: remoteAddress, connectionId: id },
      isOpen: () => this.isOpen,
      send: (frame: StatusFrame | AuthExpiringFrame) => this.send(frame),
      tell: (fact: ConnectionFact) => this.tell(fact),
    };
    this.credential = new ConnectionCredential(host, wire, principal);
  }

  get principal(): UserPrincipal | undefined {
    return this.credential.principal;
  }

  get isOpen(): boolean {
    return this.actor.getSnapshot().hasTag("open");
  }

  /** 0 to 100, of its breaker and of how far its acks are behind. */
  get health(): number {
    return this.breaker.health(this.outbox?.lag ?? 0);
  }

  send(frame: Exclude<ServerFrame, { type: "events" }>): void {
    if (!this.host.write(this.transport, encodeFrame(frame))) this.breaker.failed();
  }

  receive(frame: ClientFrame): void {
    this.heard();
    const mode = this.actor.getSnapshot().value;
    if (mode === "closed" || mode === "draining") return;
    if (mode === "ready") return this.handle(frame);
    if (this.early === undefined) {
      if (frame.type !== "hello") return this.refuse("the first frame must be hello");
      this.early = [];
      void this.open(frame).catch((cause: unknown) => this.openFailed(cause));
      return;
    }
    if (frame.type === "hello") return this.refuse("a second hello");
    if (this.early.length >= maxEarlyFrames) return this.refuse("too many frames before welcome");
    this.early.push(frame);
  }

  malformed(issue: Issue): void {
    this.refuse(issue.path === "" ? `frame ${issue.message}` : `${issue.path} ${issue.message}`);
  }

  heard(): void {
    this.wasHeard = true;
    if (this.actor.getSnapshot().context.missedPings > 0) this.tell({ type: "peer.heard" });
  }

  admitsFrame(): boolean {
    const { principal } = this;
    const take = (): void => principal && this.host.limits.frame(principal);
    return isWithin(take, (retryAfterMs) => this.flooded(retryAfterMs));
  }

  flooded(retryAfterMs: number, reason = "too many frames"): void {
    if (!this.isOpen) return;
    this.send({ type: "goodbye", reason: "rate_limited", retryAfterMs });
    this.tell({ type: "rate.exceeded", reason });
  }

  writable(): void {
    this.outbox?.nudge();
  }

  closed(): void {
    this.tell({ type: "transport.closed" });
  }

  /** An ack of this connection, on the socket or beside it. It counts for what it names, not for where we began. */
  ack(offset: Offset): void {
    // A stream has no way back but this: its ack is its confirmation.
    if (this.transport.kind === "sse") this.credential.confirmed();
    const { outbox } = this;
    const before = outbox?.acked ?? 0;
    if (!outbox?.ack(offset)) return;
    if (outbox.acked > before) this.breaker.progressed();
    this.host.saveCursor(this, offset);
  }

  /** Frees everything; called once, on the way into `closed`. */
  free(): void {
    this.credential.end();
    this.early = undefined;
    this.breaker.free();
    this.outbox?.end();
    if (this.hub) this.host.releaseHub(this.hub, this.outbox);
    this.hub = undefined;
  }

  /** A fact for the machine; after its end there is nobody to hear one. */
  private tell(fact: ConnectionFact): void {
    if (this.isOpen) this.actor.send(fact);
  }

  private refuse(reason: string): void {
    this.tell({ type: "frame.refused", reason });
  }

  private async open(hello: HelloFrame): Promise<void> {
    // Who was known before has been counted where it came in.
    const wasKnown = this.principal !== undefined;
    const principal = await this.credential.identify(hello);
    if (principal === undefined || !this.isOpen) return;
    const turnAway = (retryAfterMs: number): void => this.flooded(retryAfterMs, "too many connections");
    if (!wasKnown && !isWithin(() => this.host.limits.connect(principal), turnAway)) return;
    const stream = streamKey(principal.tenantId, principal.userId);
    const hub = await this.host.openHub(stream);
    if (!this.isOpen) return this.host.releaseHub(hub);
    this.hub = hub;
    // Who stands at the head, or wants no history, needs nothing of the log.
    const asked = reachesBack(hello, hub.head) ? await this.host.position(stream) : undefined;
    // The reader may have been, at another process, where no bell has called us yet.
    const head = asked?.epoch === hub.epoch ? Math.max(hub.head, asked.head) : hub.head;
    const start = startOf(hello, { epoch: hub.epoch, head, first: asked?.first ?? 1, lostEpochs: hub.lostEpochs });
    const snapshot = start.snapshot ? await this.host.snapshot(stream, hello.want) : undefined;
    // It may have been closed or sent home while the log was read.
    if (this.actor.getSnapshot().value !== "authenticating" || !this.credential.stands(principal)) return;
    this.enter(hello, principal, stream, hub, start, snapshot);
  }

  /** From here to the end nothing waits: the frames leave in order and the tail begins where they stop. */
  private enter(
    hello: HelloFrame,
    principal: UserPrincipal,
    stream: StreamKey,
    hub: StreamHub,
    start: Start,
    snapshot: Extract<ServerFrame, { type: "snapshot" }> | undefined,
  ): void {
    this.host.noteUser(principal);
    this.stream = stream;
    this.device = hello.device === undefined ? undefined : asDeviceId(hello.device);
    this.host.settle(this, stream);
    this.tell({ type: "session.opened" });
    this.send({
      type: "welcome",
      connectionId: this.id,
      userId: principal.userId,
      epoch: hub.epoch,
      head: Math.max(hub.head, snapshot?.at ?? 0, start.after),
      resumed: start.resumed,
      ...this.host.welcome(principal),
      expiresAt: new Date(principal.expiresAtMs).toISOString(),
    });
    this.credential.welcomed();
    for (const trouble of this.host.troubles()) this.send(trouble);
    const after = snapshot?.at ?? start.after;
    if (start.gap) this.send({ ...start.gap, upto: after });
    if (snapshot) this.send(snapshot);
    else for (const runId of this.host.stalled(stream)) this.send({ type: "status", run: { runId, stalled: true } });
    this.outbox = this.host.outbox(this, hub, hello, after);
    hub.outboxes.add(this.outbox);
    if (start.ackedUpto !== undefined) this.host.saveCursor(this, start.ackedUpto);
    this.outbox.pump();
    this.credential.completed(principal);
    const early = this.early ?? [];
    this.early = undefined;
    for (const frame of early) this.receive(frame);
  }

  private openFailed(cause: unknown): void {
    if (cause instanceof LogUnavailable) return this.tell({ type: "log.silent" });
    this.host.failed(this, cause);
    this.tell({ type: "session.failed" });
  }

  private handle(frame: ClientFrame): void {
    switch (frame.type) {
      case "hello":
        return this.refuse("a second hello");
      case "ack":
        return this.ack(frame.offset);
      case "ping":
        return this.send({ type: "pong", ref: frame.ref });
      case "confirm":
        return this.credential.confirmed();
      case "auth":
        void this.credential.renew(frame.token).catch((cause: unknown) => this.openFailed(cause));
        return;
      case "command":
        return this.host.command(this, frame);
    }
  }
}
