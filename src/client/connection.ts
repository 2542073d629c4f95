/**
 * Does what `machines/client` decides: asks for the token, opens the one socket, waits, gives up; and tells the
 * machine what happened. Between the socket and the client, which sees only decoded frames of a live connection.
 */
import { type Actor, createActor } from "xstate";
import { backoffCeilingMs, clientMachine, type ClientFact, type ClientSnapshot } from "../../machines/client.ts";
import { dutyAfter } from "../../protocol/close-codes.ts";
import type { ClientFrame, HelloFrame, ServerFrame, WelcomeFrame } from "../../protocol/frames.ts";
import { decodeServerFrame } from "../../protocol/server-frame.ts";
import { fullJitter } from "./backoff.ts";
import { ClientStopped, ConnectionLost } from "./client-error.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { ConnectOptions, Settings } from "./options.ts";
import { abnormalClose, Socket } from "./socket.ts";
import { TokenRefresh } from "./token-refresh.ts";

/** Frames that the client acts on; the others are the connection's own business. */
export type StreamFrame = Exclude<ServerFrame, { type: "welcome" | "goodbye" | "auth_expiring" | "pong" }>;

export interface ConnectionOutput {
  /** Resolves when the application has read enough for more to come. */
  readonly room: () => Promise<void>;
  readonly hello: () => Omit<HelloFrame, "type" | "token">;
  /** Throws when the answer does not fit: the connection is dropped. */
  readonly welcome: (frame: WelcomeFrame) => void;
  /** It may speak from here to `down`. */
  readonly live: (frame: WelcomeFrame) => void;
  /** `chars`: how long it was on the wire. Throws as `welcome` does. */
  readonly frame: (frame: StreamFrame, chars: number) => void;
  readonly down: () => void;
  readonly stopped: (error: ClientStopped) => void;
  /** The state, or what is known of it, has changed. */
  readonly changed: () => void;
}

const baseBackoffMs = 200;
const maxBackoffMs = 10_000;
/** For the socket to open and `welcome` to come: a black hole answers nothing. */
const connectTimeoutMs = 10_000;
/** For the token callback, which may wait for a server of its own. */
const tokenTimeoutMs = 30_000;
/** A connection that held this long was a good one: the next wait begins small again. */
const settledMs = 5_000;

export class Connection {
  readonly #url: string;
  readonly #token: ConnectOptions["token"];
  readonly #settings: Settings;
  readonly #output: ConnectionOutput;
  readonly #actor: Actor<typeof clientMachine>;
  readonly #heartbeat: Heartbeat;
  readonly #refresh: TokenRefresh;
  #state: ClientSnapshot["value"] = "idle";
  /** Grows with every change of state: an answer to an older question is nobody's. */
  #generation = 0;
  #socket: Socket | undefined;
  #cancelTimer: (() => void) | undefined;
  #credential = "";
  #isUp = false;
  retryInMs: number | undefined;
  lastError: Error | undefined;

  constructor(url: string, token: ConnectOptions["token"], settings: Settings, output: ConnectionOutput) {
    this.#url = url;
    this.#token = token;
    this.#settings = settings;
    this.#output = output;
    this.#heartbeat = new Heartbeat(settings.timers, {
      ping: () => this.send({ type: "ping" }),
      dead: () => this.drop(new ConnectionLost("the server no longer answers")),
    });
    this.#refresh = new TokenRefresh(settings.timers, settings.random, { renew: () => this.#renew() });
    this.#actor = createActor(clientMachine, { input: { baseBackoffMs, maxBackoffMs } }).start();
    this.#actor.subscribe((snapshot) => this.#follow(snapshot));
  }

  get snapshot(): ClientSnapshot {
    return this.#actor.getSnapshot();
  }

  tell(fact: ClientFact): void {
    this.#actor.send(fact);
  }

  /** False: there is no live connection, and the frame went nowhere. */
  send(frame: ClientFrame): boolean {
    return this.#isUp && this.#socket?.send(frame) === true;
  }

  /** There is reason to doubt the link. */
  probe(): void {
    this.#heartbeat.probe();
  }

  /** The link is of no use any more: as if the network had taken it. */
  drop(error: Error): void {
    if (this.#socket === undefined) return;
    this.#leave();
    this.#closed(abnormalClose, error);
  }

  #follow(snapshot: ClientSnapshot): void {
    if (snapshot.value !== this.#state) {
      this.#state = snapshot.value;
      this.#generation += 1;
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
      this.retryInMs = undefined;
      if (!snapshot.hasTag("socket")) this.#leave(snapshot.context.stopped === "requested" ? 1000 : undefined);
      this.#enter(snapshot);
    }
    this.#output.changed();
  }

  #enter({ value, context }: ClientSnapshot): void {
    switch (value) {
      case "authorizing":
        void this.#authorize(context.tokenStale);
        return;
      case "connecting":
        return this.#open();
      case "helloSent":
        this.#socket?.send({ type: "hello", token: this.#credential, ...this.#output.hello() });
        return this.#dropAfter(connectTimeoutMs, "no welcome came in time");
      case "live":
        this.#cancelTimer = this.#settings.timers.after(settledMs, () => this.tell({ type: "connection.settled" }));
        return;
      case "waiting":
        this.retryInMs = fullJitter(backoffCeilingMs(context), context.retryAfterMs, this.#settings.random);
        this.#cancelTimer = this.#settings.timers.after(this.retryInMs, () => this.tell({ type: "backoff.passed" }));
        return;
      case "stopped":
        return this.#output.stopped(new ClientStopped(context.stopped ?? "refused", context.closeCode ?? undefined));
      case "idle":
      case "offline":
    }
  }

  async #authorize(stale: boolean): Promise<void> {
    const generation = this.#generation;
    const isCurrent = (): boolean => generation === this.#generation;
    await this.#output.room();
    if (!isCurrent()) return;
    this.#cancelTimer = this.#settings.timers.after(tokenTimeoutMs, () => {
      this.lastError = new ConnectionLost("no token came in time");
      this.tell({ type: "token.failed" });
    });
    try {
      const token = await this.#token({ stale });
      if (!isCurrent()) return;
      this.#credential = token ?? "";
      this.tell({ type: this.#credential === "" ? "token.refused" : "token.received" });
    } catch (error) {
      if (!isCurrent()) return;
      this.lastError = asError(error);
      this.tell({ type: "token.failed" });
    }
  }

  #open(): void {
    this.#dropAfter(connectTimeoutMs, "the server could not be reached in time");
    try {
      this.#socket = new Socket(this.#settings.WebSocket, this.#url, {
        opened: () => this.tell({ type: "socket.opened" }),
        text: (text) => this.#text(text),
        closed: (code, reason) => {
          this.#leave();
          this.#closed(code, new ConnectionLost(reason || `the connection closed (${code})`, code));
        },
      });
    } catch (error) {
      this.#closed(abnormalClose, asError(error));
    }
  }

  #text(text: string): void {
    const decoded = decodeServerFrame(text);
    this.#heartbeat.heard(decoded.ok && decoded.value?.type === "status");
    if (!decoded.ok)
      return this.drop(new ConnectionLost(`a bad frame: ${decoded.issue.path} ${decoded.issue.message}`));
    if (decoded.value === undefined) return;
    try {
      this.#receive(decoded.value, text.length);
    } catch (error) {
      this.drop(asError(error));
    }
  }

  #receive(frame: ServerFrame, chars: number): void {
    switch (frame.type) {
      case "goodbye":
        return this.tell({ type: "goodbye.received", retryAfterMs: frame.retryAfterMs });
      case "pong":
        return;
      case "welcome":
        return this.#welcome(frame);
      case "auth_expiring":
        return this.#refresh.want();
      default:
        if (!this.#isUp) throw new ConnectionLost(`${frame.type} came before welcome`);
        return this.#output.frame(frame, chars);
    }
  }

  #welcome(frame: WelcomeFrame): void {
    if (this.#state !== "helloSent") throw new ConnectionLost("a second welcome");
    this.#output.welcome(frame);
    this.#isUp = true;
    this.lastError = undefined;
    this.#heartbeat.start(frame.heartbeatMs);
    this.send({ type: "confirm" });
    this.tell({ type: "welcome.received" });
    this.#output.live(frame);
  }

  async #renew(): Promise<boolean> {
    try {
      const token = await this.#token({ stale: true });
      return typeof token === "string" && token !== "" && this.send({ type: "auth", token });
    } catch (error) {
      this.lastError = asError(error);
      this.#output.changed();
      return false;
    }
  }

  #closed(code: number, error: Error): void {
    this.lastError = error;
    this.tell({ type: "socket.closed", code, duty: dutyAfter(code) });
  }

  #dropAfter(delayMs: number, why: string): void {
    this.#cancelTimer = this.#settings.timers.after(delayMs, () => this.drop(new ConnectionLost(why)));
  }

  /** From here on nothing of the socket is heard, and nothing is said. */
  #leave(code?: number): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.leave(code);
    this.#heartbeat.stop();
    this.#refresh.stop();
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#output.down();
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
