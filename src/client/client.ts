/**
 * The client: one connection that comes back by itself, the stream in order and once, and the runs as they look now.
 * `connection` keeps the link, `intake` the stream, `commands` the questions; this is what the application holds.
 */
import type { JsonObject, StreamEvent } from "../../protocol/event.ts";
import type { WelcomeFrame } from "../../protocol/frames.ts";
import type { Cursor } from "../../protocol/ids.ts";
import type { RunView } from "../../protocol/run-view.ts";
import type { ClientStopped } from "./client-error.ts";
import { ConnectionLost } from "./client-error.ts";
import { type ClientStatus, connectionState, isSameStatus } from "./client-status.ts";
import { Commands } from "./commands.ts";
import { Connection, type StreamFrame } from "./connection.ts";
import { isCursor } from "./cursor-storage.ts";
import { socketUrl } from "./endpoint.ts";
import { Intake, isEventItem, type StreamItem } from "./intake.ts";
import { Listeners, type Unsubscribe } from "./listeners.ts";
import { LiveRun } from "./live-run.ts";
import { type ConnectOptions, type Settings, settingsOf } from "./options.ts";
import { watchPage } from "./page-signals.ts";
import type { Gap } from "./stream-position.ts";

/** More than any server has breakers: a hostile one must not fill our memory with their names. */
const maxChannels = 64;

/** What `on` reports, and with what. */
export interface ClientReports {
  /** Each event, once and in offset order. */
  readonly event: StreamEvent;
  readonly status: ClientStatus;
  /** Offsets that will not come: declared by the server, or replaced by a snapshot. */
  readonly gap: Gap;
  /** A run that has changed: once for a batch of events. */
  readonly run: RunView;
  /** All known runs, after one of them has changed. */
  readonly runs: readonly RunView[];
  /** The living runs came folded; events go on after them. */
  readonly snapshot: readonly RunView[];
}

const noChannels: ClientStatus["channels"] = {};
/** For the answer to a command. */
const commandTimeoutMs = 30_000;

export class Client {
  readonly #settings: Settings;
  readonly #storage: ConnectOptions["storage"];
  readonly #isFiltered: boolean;
  readonly #intake: Intake;
  readonly #commands: Commands;
  readonly #connection: Connection;
  readonly #statuses = new Listeners<ClientStatus>();
  readonly #stops = new Listeners<Error>();
  #status: ClientStatus;
  #welcome: WelcomeFrame | undefined;
  #channels = noChannels;
  #hasLostPlace = false;
  #unwatchPage: Unsubscribe | undefined;

  constructor(options: ConnectOptions) {
    this.#settings = settingsOf(options);
    const { timers, maxEndedRuns } = this.#settings;
    this.#storage = options.storage;
    this.#isFiltered = options.want !== undefined;
    this.#intake = new Intake({
      from: options.from ?? "active",
      cursor: options.cursor ?? this.#storedCursor(),
      maxEndedRuns,
      timers,
      acknowledge: (cursor) => this.#acknowledge(cursor),
    });
    this.#commands = new Commands(timers, commandTimeoutMs, (frame) => this.#connection.send(frame));
    this.#connection = new Connection(socketUrl(options.url), options.token, this.#settings, {
      room: () => this.#intake.room(),
      hello: () => ({ ...this.#settings.hello, ...this.#intake.position.hello }),
      welcome: (frame) => this.#intake.welcome(frame),
      live: (frame) => this.#live(frame),
      frame: (frame, chars) => this.#take(frame, chars),
      down: () => this.#down(),
      stopped: (error) => this.#stopped(error),
      changed: () => this.#publishStatus(),
    });
    this.#status = this.#statusNow();
    if (options.autoStart !== false) this.start();
  }

  /** Begins, or begins anew after it has stopped; goes on at the cursor. */
  start(): void {
    this.#unwatchPage ??= watchPage({
      online: () => this.#wake("network.online"),
      offline: () => this.#wake("network.offline"),
      visible: () => this.#wake("page.visible"),
      hidden: () => this.#intake.flush(),
    });
    this.#connection.tell({ type: "start.requested" });
  }

  /**
   * Says how far the application is, closes, and ends every loop. What was not read by then is not acknowledged; what a
   * loop is busy with counts as read.
   */
  close(): void {
    this.#intake.settle();
    this.#connection.tell({ type: "stop.requested" });
  }

  /** Drops the socket as if the network had died, and stays without it for `holdMs`: to see a resume at work. */
  cut(holdMs = 0): void {
    if (holdMs > 0) {
      this.#connection.tell({ type: "network.offline" });
      this.#settings.timers.after(holdMs, () => this.#connection.tell({ type: "network.online" }));
    }
    this.#connection.drop(new ConnectionLost("cut by the application"));
  }

  get status(): ClientStatus {
    return this.#status;
  }

  /** One run, known or not yet. */
  run(runId: string): LiveRun {
    return new LiveRun(runId, this.#intake.runs, this.#stops);
  }

  /** Every run that is known here, the newest first. The same array until something changes. */
  runs(): readonly RunView[] {
    return this.#intake.runs.all();
  }

  /**
   * Every event from now on, once and in offset order; with `gaps`, also the declared holes at their place. Several
   * loops get all, each at its own pace. An event is acknowledged when every loop is through with it and asks for the
   * next: a loop that stops reading stops the stream, so leave it with `break` when you have enough.
   *
   * `Fails` ClientStopped: the client stopped for another reason than `close()`.
   */
  events(options?: { readonly gaps?: false }): AsyncIterableIterator<StreamEvent>;
  events(options: { readonly gaps: boolean }): AsyncIterableIterator<StreamItem>;
  events({ gaps = false }: { readonly gaps?: boolean } = {}): AsyncIterableIterator<StreamItem> {
    return this.#intake.reader(gaps ? () => true : isEventItem);
  }

  on<Name extends keyof ClientReports>(name: Name, listener: (report: ClientReports[Name]) => void): Unsubscribe;
  on(name: keyof ClientReports, listener: (report: never) => void): Unsubscribe {
    const { runs, events, gaps, snapshots } = this.#intake;
    switch (name) {
      case "event":
        return events.add(listener as (report: StreamEvent) => void);
      case "gap":
        return gaps.add(listener as (report: Gap) => void);
      case "snapshot":
        return snapshots.add(listener as (report: readonly RunView[]) => void);
      case "status":
        return this.#statuses.add(listener as (report: ClientStatus) => void);
      case "runs":
        return runs.onChange(() => (listener as (report: readonly RunView[]) => void)(runs.all()));
      case "run":
        return runs.onChange(({ view }) => {
          if (view !== undefined) (listener as (report: RunView) => void)(view);
        });
    }
  }

  /**
   * Sends what the user says; the answer is the application's. Waits for a live connection, and leaves once.
   *
   * `Fails` CommandRefused: the server said no. CommandUnanswered: it may have been carried out. CommandNotSent.
   */
  send(text: string, to: { readonly threadId?: string; readonly data?: JsonObject } = {}): Promise<JsonObject> {
    const { threadId, data } = to;
    return this.#commands.run("send_message", { ...(threadId !== undefined && { threadId }), data: { ...data, text } });
  }

  /** Asks a run to stop. `Fails` as `send`. */
  cancel(runId: string, reason?: string): Promise<JsonObject> {
    return this.#commands.run("cancel_run", { runId, data: reason === undefined ? {} : { reason } });
  }

  /** Answers what a run waits for; the first answer wins. `Fails` as `send`. */
  resolveApproval(approvalId: string, decision: "approve" | "deny", data?: JsonObject): Promise<JsonObject> {
    const body = data === undefined ? { approvalId, decision } : { approvalId, decision, data };
    return this.#commands.run("resolve_approval", { data: body });
  }

  #live(frame: WelcomeFrame): void {
    this.#welcome = frame;
    // What was said on an earlier connection no longer holds: what does is said again after this.
    this.#channels = noChannels;
    this.#intake.live();
    this.#commands.opened();
    this.#publishStatus();
  }

  #down(): void {
    this.#welcome = undefined;
    this.#commands.closed();
  }

  #stopped(error: ClientStopped): void {
    this.#unwatchPage?.();
    this.#unwatchPage = undefined;
    this.#commands.stop(error);
    this.#intake.end(error.reason === "requested" ? undefined : error);
    this.#stops.emit(error);
  }

  #take(frame: StreamFrame, chars: number): void {
    switch (frame.type) {
      case "events":
        this.#intake.takeEvents(frame, chars);
        break;
      case "gap":
        this.#intake.takeGap(frame);
        break;
      case "snapshot":
        this.#intake.takeSnapshot(frame);
        break;
      case "reply":
        return this.#commands.replied(frame);
      case "status": {
        const { channel, state, run } = frame;
        const known = Object.keys(this.#channels);
        if (channel !== undefined && state !== undefined && (known.length < maxChannels || known.includes(channel)))
          this.#channels = { ...this.#channels, [channel]: state };
        if (run !== undefined) this.#intake.runs.stalled(run.runId, run.stalled);
        this.#intake.runs.notify();
      }
    }
    this.#publishStatus();
  }

  #wake(type: "network.online" | "network.offline" | "page.visible"): void {
    this.#connection.tell({ type });
    this.#connection.probe();
  }

  #acknowledge(cursor: Cursor): void {
    this.#connection.send({ type: "ack", offset: cursor.offset });
    try {
      this.#storage?.save(cursor);
    } catch {
      // A full or forbidden storage: the place is lost with this object, and a later one may repeat.
      this.#hasLostPlace = true;
    }
  }

  #storedCursor(): Cursor | undefined {
    try {
      const cursor: unknown = this.#storage?.load();
      if (cursor === undefined || isCursor(cursor)) return cursor;
    } catch {
      // As if it were garbage.
    }
    this.#hasLostPlace = true;
    return undefined;
  }

  #publishStatus(): void {
    const status = this.#statusNow();
    if (isSameStatus(this.#status, status)) return;
    this.#status = status;
    this.#statuses.emit(status);
  }

  #statusNow(): ClientStatus {
    const { snapshot, retryInMs, lastError } = this.#connection;
    const { position, head, wasReset } = this.#intake;
    const { cursor, holes, doubles } = position;
    const isBehind = !this.#isFiltered && (cursor?.offset ?? 0) < head;
    return {
      state: connectionState(snapshot, isBehind),
      attempt: snapshot.context.attempt,
      ...(retryInMs !== undefined && { retryInMs }),
      ...(this.#welcome && { connectionId: this.#welcome.connectionId, userId: this.#welcome.userId }),
      ...(cursor !== undefined && { cursor }),
      ...(head > 0 && { head }),
      ...(lastError !== undefined && { lastError }),
      mayRepeat: this.#hasLostPlace || wasReset,
      holes,
      doubles,
      channels: this.#channels,
    };
  }
}

/**
 * Connects a user to the stream of their runs, and stays connected.
 *
 * `Fails` TypeError: the url is none, or the platform has no WebSocket.
 */
export function connect(options: ConnectOptions): Client {
  return new Client(options);
}
