/**
 * All connections of the process: made and freed by one key, counted per user, kept alive by one heartbeat. The
 * supervisor spawns their actors and writes for them; a user's newest connections win over the oldest.
 */
import { circuitBreakerMachine } from "../../machines/circuit-breaker.ts";
import { connectionMachine, type Ending } from "../../machines/connection.ts";
import { deliveryMachine } from "../../machines/delivery.ts";
import type { HelloFrame, StatusFrame } from "../../protocol/frames.ts";
import type { ConnectionId, Offset, StreamKey } from "../../protocol/ids.ts";
import { asConnectionId, asDeviceId } from "../../protocol/ids.ts";
import type { RunView } from "../../protocol/run-view.ts";
import type { RunRecord } from "../log/event-log.ts";
import { AckWaiters } from "./ack-waiters.ts";
import type { Batching } from "./batching.ts";
import { watchClock } from "./clock-jumps.ts";
import type { Commands } from "./commands.ts";
import { connectionBreakerDefaults } from "./connection-breaker.ts";
import { UserConnection } from "./connection.ts";
import type { ConnectionHost } from "./connection-host.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Doors } from "./doors.ts";
import { encodeFrame } from "./frames.ts";
import { type ForeignAcks, foreignAcksOf } from "./foreign-acks.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { Hubs, StreamHub } from "./hub.ts";
import type { Limits } from "./limits.ts";
import type { Settings } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { sendHome } from "./send-home.ts";
import type { OpenConnection } from "./runtime.ts";
import { StalledRuns } from "./stalled-runs.ts";
import type { Supervisor } from "./supervisor.ts";
import { UnsavedCursors } from "./unsaved-cursors.ts";
import type { UserTerms } from "./user-terms.ts";
import type { Views } from "./views.ts";

const logRetryMs = 1_000;
/** Connections that name no device share one cursor per user. */
const noDevice = asDeviceId("-");

export interface ConnectionsTerms extends Doors {
  readonly settings: Settings;
  readonly userTerms: UserTerms;
  readonly limits: Limits;
  readonly batching: Batching;
  readonly supervisor: Supervisor;
  readonly deadlines: Deadlines;
  readonly hubs: Hubs;
  readonly views: Views;
  readonly commands: Commands;
  readonly nextId: () => string;
  /** What everybody who comes has to be told of breakers. */
  readonly troubles: () => Iterable<StatusFrame>;
  /** A device has acknowledged a stream up to here, or came back from here. */
  readonly onAcked: (stream: StreamKey, upto: Offset) => void;
}

export class Connections {
  acksReceived = 0;
  /** Closed from here, by code. */
  readonly endings = new Map<number, number>();
  private readonly terms: ConnectionsTerms;
  private readonly all = new Map<ConnectionId, UserConnection>();
  /** Per user, oldest first. */
  private readonly ofUser = new Map<StreamKey, Set<UserConnection>>();
  private readonly unsaved: UnsavedCursors;
  private readonly host: ConnectionHost;
  private readonly machine: typeof connectionMachine;
  private readonly heartbeat: Heartbeat<UserConnection>;
  readonly stalled = new StalledRuns();
  private readonly ackWaiters = new AckWaiters();
  /** Where other nodes serve the same users: acks that come in there. */
  readonly foreignAcks: ForeignAcks | undefined;

  constructor(terms: ConnectionsTerms) {
    this.terms = terms;
    this.foreignAcks = foreignAcksOf(terms.settings, terms.deadlines, this);
    this.unsaved = new UnsavedCursors({ ...terms.settings, deadlines: terms.deadlines });
    this.host = this.makeHost();
    this.machine = connectionMachine.provide({
      actions: {
        endConnection: ({ self, context }) => this.end(asConnectionId(self.id), context.ending),
      },
    });
    const { settings, deadlines } = terms;
    this.heartbeat = new Heartbeat({ ...settings, deadlines, beat: (connection) => this.beat(connection) });
    watchClock(settings.clock, deadlines, () => {
      for (const connection of this.all.values()) connection.credential.rejudge();
    });
  }

  get count(): number {
    return this.all.size;
  }

  get(id: ConnectionId): UserConnection | undefined {
    return this.all.get(id);
  }

  /** Also those who have not been welcomed yet. */
  each(): Iterable<UserConnection> {
    return this.all.values();
  }

  ofStream(stream: StreamKey): ReadonlySet<UserConnection> {
    return this.ofUser.get(stream) ?? new Set();
  }

  /** Takes a connection in. Fails: `NotAccepting`; `TooMany`, when its user is known and opens too many. */
  open({ transport, ...who }: OpenConnection): UserConnection {
    const { supervisor, nextId, settings } = this.terms;
    supervisor.requireAccepting();
    if (who.principal !== undefined) this.terms.limits.connect(who.principal);
    const named = nextId();
    const id = (transport.kind === "sse" ? this.foreignAcks?.nameOf(named) : undefined) ?? asConnectionId(named);
    const actor = supervisor.spawn(this.machine, { id });
    const connection = new UserConnection(this.host, id, transport, actor, who);
    actor.subscribe({ error: (cause) => settings.journal.write("error", "connection.actorFailed", { cause }) });
    actor.start();
    this.all.set(id, connection);
    connection.heartbeat = this.heartbeat.join(connection, id);
    return connection;
  }

  /** Beside the stream, to every connection of a user: a run of theirs is stalled, or is no longer. */
  tellStalled(run: RunRecord, stalled: boolean): void {
    const { stream, runId } = run;
    this.stalled.note(run, stalled);
    const encoded = encodeFrame({ type: "status", run: { runId, stalled } });
    for (const connection of this.ofStream(stream)) this.terms.supervisor.write(connection.transport, encoded);
  }

  /** Beside the stream, to everybody who has had a welcome. */
  tellAll(frame: StatusFrame): void {
    const encoded = encodeFrame(frame);
    for (const mine of this.ofUser.values())
      for (const { transport } of mine) this.terms.supervisor.write(transport, encoded);
  }

  isStalled(run: RunRecord): boolean {
    return this.stalled.has(run);
  }

  /** Calls `task` whenever a device of this user acknowledges or leaves; the answer stops it. */
  onAck(stream: StreamKey, task: () => void): () => void {
    return this.ackWaiters.add(stream, task);
  }

  /** Writes the cursors that are still in memory. */
  saveCursors(): Promise<void> {
    return this.unsaved.save();
  }

  /** Everybody comes back: to another process, or to another history. */
  sendHome(): void {
    sendHome([...this.all.values()]);
  }

  /** Those of one stream, whose history is not the log's any more. */
  sendHomeOf(hub: StreamHub): void {
    sendHome([...this.all.values()].filter((connection) => connection.hub === hub));
  }

  /** Sends everybody home, and keeps what they have acknowledged. */
  async drain(): Promise<void> {
    this.sendHome();
    await this.unsaved.finish();
  }

  private makeHost(): ConnectionHost {
    const { settings, userTerms, limits, supervisor, deadlines, hubs, views, commands, troubles } = this.terms;
    const { revocations, authEvents } = this.terms;
    const input = { ...connectionBreakerDefaults, ...settings.breakers["connection"] };
    return {
      authenticate: settings.authenticate,
      isRevoked: (principal) => revocations.refuses(principal),
      authEvents,
      welcome: (user) => ({ heartbeatMs: settings.heartbeatMs, windowEvents: userTerms.windowOf(user).maxEvents }),
      limits,
      noteUser: (user) => userTerms.note(user),
      helloMs: settings.helloMs,
      confirmAuth: settings.confirmAuth,
      nowMs: () => settings.clock.now(),
      after: (delayMs, task) => deadlines.after(delayMs, task),
      write: (transport, frame) => supervisor.write(transport, frame),
      openHub: (stream) => hubs.open(stream),
      position: (stream) => settings.log.position(stream),
      releaseHub: (hub, outbox) => hubs.release(hub, outbox),
      snapshot: async (stream, want) => {
        const { at, runs } = await views.living(stream);
        const { threads } = want ?? {};
        const isWanted = ({ threadId }: RunView): boolean =>
          threads === undefined || (threadId !== undefined && threads.includes(threadId));
        return { type: "snapshot", at, runs: runs.filter(isWanted) };
      },
      stalled: (stream) => this.stalled.of(stream),
      troubles,
      breaker: {
        mono: () => settings.clock.mono(),
        spawn: (id) => supervisor.spawn(circuitBreakerMachine, { id, input }).start(),
        release: (actor) => supervisor.release(actor),
      },
      turned: (connection, state) => {
        settings.journal.write("debug", "connection.breakerTurned", { connectionId: connection.id, state });
        // Who has not been welcomed gets no frame before the welcome.
        if (connection.stream !== undefined) connection.send({ type: "status", channel: "connection", state });
        connection.outbox?.nudge();
      },
      outbox: (connection, hub, hello, after) => this.makeOutbox(connection, hub, hello, after),
      settle: (connection, stream) => this.settle(connection, stream),
      saveCursor: (connection, offset) => this.noteCursor(connection, offset),
      command: (connection, frame) => commands.run(connection, frame),
      failed: (connection, cause) =>
        settings.journal.write("error", "connection.failed", { connectionId: connection.id, cause }),
    };
  }

  private makeOutbox(connection: UserConnection, hub: StreamHub, hello: HelloFrame, after: Offset): Outbox {
    const { settings, userTerms, supervisor, deadlines, hubs } = this.terms;
    const delivery = supervisor.spawn(deliveryMachine).start();
    const outbox = new Outbox(
      {
        hub,
        log: settings.log,
        transport: connection.transport,
        window: userTerms.windowOf(connection.principal),
        delivery,
        want: hello.want,
        mergeDeltas: hello.mergeDeltas ?? true,
        gate: connection.breaker,
        release: () => supervisor.release(delivery),
        isOutlived: (epoch) => hubs.outlives(hub, epoch),
        write: (frame, eventCount) => {
          const isTaken = supervisor.write(connection.transport, frame, eventCount);
          if (!isTaken) connection.breaker.failed();
          return isTaken;
        },
        retryLater: () => deadlines.after(logRetryMs, () => connection.outbox?.pump()),
      },
      after,
    );
    this.terms.batching.join(connection, hub, outbox, hello.batch);
    return outbox;
  }

  private settle(connection: UserConnection, stream: StreamKey): void {
    const mine = this.ofUser.get(stream) ?? new Set();
    this.ofUser.set(stream, mine.add(connection));
    if (mine.size <= this.terms.userTerms.connectionsOf(connection.principal)) return;
    const oldest = mine.values().next().value;
    oldest?.actor.send({ type: "place.taken" });
  }

  private noteCursor(connection: UserConnection, offset: Offset): void {
    const { stream } = connection;
    if (stream === undefined) return;
    this.acksReceived += 1;
    this.unsaved.note({ stream, device: connection.device ?? noDevice, offset });
    this.ackWaiters.tell(stream);
    this.terms.onAcked(stream, offset);
  }

  /** The machine is on its way into `closed`. */
  private end(id: ConnectionId, ending: Ending | null): void {
    const connection = this.all.get(id);
    if (connection === undefined) return;
    this.all.delete(id);
    connection.heartbeat?.delete(connection);
    if (connection.stream !== undefined) {
      const mine = this.ofUser.get(connection.stream);
      mine?.delete(connection);
      if (mine?.size === 0) this.ofUser.delete(connection.stream);
    }
    connection.free();
    // Inside its own transition an actor cannot be stopped.
    queueMicrotask(() => {
      this.terms.supervisor.release(connection.actor);
      if (connection.stream !== undefined) this.ackWaiters.tell(connection.stream);
    });
    if (ending === null) return;
    this.endings.set(ending.code, (this.endings.get(ending.code) ?? 0) + 1);
    this.terms.supervisor.end(connection.transport, ending.code, ending.reason);
  }

  private beat(connection: UserConnection): void {
    const { breaker, outbox, transport, wasHeard } = connection;
    const isSse = transport.kind === "sse";
    breaker.beat(outbox, isSse || wasHeard);
    outbox?.nudge();
    // SSE has no way back; the gateway's comments keep the line open and its close is heard.
    if (isSse) return;
    if (!wasHeard) connection.actor.send({ type: "ping.unanswered" });
    connection.wasHeard = false;
    if (connection.isOpen) this.terms.supervisor.ping(transport);
  }
}
