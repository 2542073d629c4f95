/**
 * One user connection: does what `machines/connection` decides. It turns frames into facts and answers, and holds
 * the outbox from `ready` to `closed`. Nothing is handled before authentication; what comes early waits its turn.
 */
import type { Actor } from "xstate";
import type { ConnectionFact, connectionMachine } from "../../machines/connection.ts";
import type { ClientFrame, HelloFrame, ServerFrame } from "../../protocol/frames.ts";
import type { ConnectionId, DeviceId, Offset, StreamKey } from "../../protocol/ids.ts";
import { asDeviceId, streamKey } from "../../protocol/ids.ts";
import type { Issue } from "../../protocol/json.ts";
import type { UserPrincipal } from "../auth/principal.ts";
import { isSameUser } from "../auth/principal.ts";
import { LogUnavailable, NotAccepting, Unauthenticated } from "../errors.ts";
import { ConnectionBreaker } from "./connection-breaker.ts";
import type { ConnectionHost } from "./connection-host.ts";
import type { Deadline } from "./deadlines.ts";
import { encodeFrame } from "./frames.ts";
import type { StreamHub } from "./hub.ts";
import { isWithin } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { Start } from "./resume.ts";
import { reachesBack, startOf } from "./resume.ts";
import type { Connection } from "./runtime.ts";
import type { Transport } from "./transport.ts";

/** Frames that may come between `hello` and `welcome`. */
const maxEarlyFrames = 32;
/** How long before its end a credential is called in. */
const expiryNoticeMs = 30_000;

export class UserConnection implements Connection {
  readonly id: ConnectionId;
  readonly transport: Transport;
  readonly actor: Actor<typeof connectionMachine>;
  principal: UserPrincipal | undefined;
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
  private deadline: Deadline | undefined;
  private expiry: Deadline | undefined;

  constructor(
    host: ConnectionHost,
    id: ConnectionId,
    transport: Transport,
    actor: Actor<typeof connectionMachine>,
    principal: UserPrincipal | undefined,
  ) {
    this.host = host;
    this.id = id;
    this.transport = transport;
    this.actor = actor;
    this.principal = principal;
    this.breaker = new ConnectionBreaker(host.breaker, `breaker.${id}`, (state) => host.turned(this, state));
    this.deadline = host.after(host.helloMs, () => this.tell({ type: "deadline.passed", reason: "no hello" }));
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
    const { outbox } = this;
    const before = outbox?.acked ?? 0;
    if (!outbox?.ack(offset)) return;
    if (outbox.acked > before) this.breaker.progressed();
    this.host.saveCursor(this, offset);
  }

  /** Frees everything; called once, on the way into `closed`. */
  free(): void {
    this.deadline?.cancel();
    this.expiry?.cancel();
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
    const principal = await this.identify(hello);
    if (principal === undefined || !this.isOpen) return;
    const turnAway = (retryAfterMs: number): void => this.flooded(retryAfterMs, "too many connections");
    if (!wasKnown && !isWithin(() => this.host.limits.connect(principal), turnAway)) return;
    this.principal = principal;
    const stream = streamKey(principal.tenantId, principal.userId);
    const hub = await this.host.openHub(stream);
    if (!this.isOpen) return this.host.releaseHub(hub);
    this.hub = hub;
    // Who stands at the head, or wants no history, needs nothing of the log.
    const { first } = reachesBack(hello, hub.head) ? await this.host.position(stream) : { first: 1 };
    const start = startOf(hello, { epoch: hub.epoch, head: hub.head, first, lostEpochs: hub.lostEpochs });
    const snapshot = start.snapshot ? await this.host.snapshot(stream, hello.want) : undefined;
    // It may have been closed or sent home while the log was read.
    if (this.actor.getSnapshot().value !== "authenticating") return;
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
    this.deadline?.cancel();
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
      head: Math.max(hub.head, snapshot?.at ?? 0),
      resumed: start.resumed,
      ...this.host.welcome(principal),
      expiresAt: new Date(principal.expiresAtMs).toISOString(),
    });
    if (this.host.confirmAuth) this.awaitConfirmation();
    for (const trouble of this.host.troubles()) this.send(trouble);
    const after = snapshot?.at ?? start.after;
    if (start.gap) this.send({ ...start.gap, upto: after });
    if (snapshot) this.send(snapshot);
    else for (const runId of this.host.stalled(stream)) this.send({ type: "status", run: { runId, stalled: true } });
    this.outbox = this.host.outbox(this, hub, hello, after);
    hub.outboxes.add(this.outbox);
    if (start.ackedUpto !== undefined) this.host.saveCursor(this, start.ackedUpto);
    this.watchExpiry(principal);
    this.outbox.pump();
    const early = this.early ?? [];
    this.early = undefined;
    for (const frame of early) this.receive(frame);
  }

  private async identify(hello: HelloFrame): Promise<UserPrincipal | undefined> {
    if (hello.token === undefined) {
      if (this.principal === undefined) this.tell({ type: "credential.refused", reason: "no token" });
      return this.principal;
    }
    const named = await this.verify(hello.token);
    if (named === undefined) return undefined;
    if (this.principal && !isSameUser(this.principal, named)) {
      this.tell({ type: "credential.foreign" });
      return undefined;
    }
    return named;
  }

  private async verify(token: string): Promise<UserPrincipal | undefined> {
    try {
      return await this.host.authenticate(token);
    } catch (cause) {
      if (cause instanceof Unauthenticated) this.tell({ type: "credential.refused", reason: cause.message });
      else if (cause instanceof NotAccepting) this.tell({ type: "authority.silent" });
      else throw cause;
      return undefined;
    }
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
        this.deadline?.cancel();
        return;
      case "auth":
        void this.renew(frame.token).catch((cause: unknown) => this.openFailed(cause));
        return;
      case "command":
        return this.host.command(this, frame);
    }
  }

  private async renew(token: string): Promise<void> {
    const named = await this.verify(token);
    if (named === undefined || !this.isOpen || this.principal === undefined) return;
    if (!isSameUser(this.principal, named)) return this.tell({ type: "credential.foreign" });
    this.principal = named;
    this.host.noteUser(named);
    this.watchExpiry(named);
    this.send({ type: "status", channel: "auth", state: "auth_completed" });
  }

  private awaitConfirmation(): void {
    this.deadline = this.host.after(this.host.helloMs, () =>
      this.tell({ type: "deadline.passed", reason: "no confirm" }),
    );
  }

  /** One entry on the wheel at a time: first the notice, then the end. */
  private watchExpiry({ expiresAtMs }: UserPrincipal): void {
    this.expiry?.cancel();
    const leftMs = expiresAtMs - this.host.nowMs();
    const end = (): void => this.tell({ type: "credential.expired" });
    this.expiry = this.host.after(Math.max(leftMs - expiryNoticeMs, 0), () => {
      const inMs = Math.max(Math.round(expiresAtMs - this.host.nowMs()), 0);
      this.send({ type: "auth_expiring", inMs });
      this.expiry = this.host.after(inMs, end);
    });
  }
}
