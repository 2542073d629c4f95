/**
 * What a remote run says, in order: a queue of calls, one request of them in flight, its answer taken apart for each
 * of them. Behind it stands the server, before it the run's handle, which it does not hold.
 *
 * Law: calls are written in the order in which they were made, each whole or not at all, and none behind one of
 * unknown outcome that was made before its caller could know (L3).
 */
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import type { Fence, RunId } from "../../protocol/ids.ts";
import { defaultLeaseMs, minLeaseMs } from "../../protocol/limits.ts";
import { blamed } from "./blame.ts";
import type { HttpAnswer, HttpCalls } from "./http-calls.ts";
import { isTransient } from "./http-calls.ts";
import type { Settings } from "./options.ts";
import type { PublishFailure } from "./publish-failure.ts";
import { LogUnavailable, RunEnded, TooMany } from "./publish-failure.ts";
import { Pulse } from "./pulse.ts";
import type { RunPicture } from "./run-picture.ts";
import type { Said } from "./said.ts";
import { joined, said } from "./said.ts";

/** A Stop reaches a silent runner within this, well inside the 10 s that it has to end by itself. */
const maxBeatMs = 5_000;
const beatsPerLease = 3;
/** The server's `Date` has whole seconds. */
const dateSlackMs = 1_000;
/** Said and not yet answered; beyond it the server is gone for longer than a runner should talk on. */
const maxQueuedBytes = 16 * 1_048_576;
const keyBytes = 6;
const askedToStop = "the user asked the run to stop";

export interface LineTerms {
  readonly runId: RunId;
  readonly fence: Fence;
  readonly tenantId: string | undefined;
  readonly leaseMs: number | undefined;
  /** When the call left that made or claimed the run. */
  readonly sentMono: number;
  readonly picture: RunPicture;
  readonly mayRepair: boolean;
  readonly traceparent: (() => string | undefined) | undefined;
}

export class RunLine {
  readonly terms: LineTerms;
  readonly picture: RunPicture;
  private readonly settings: Settings;
  private readonly calls: HttpCalls;
  private readonly controller = new AbortController();
  private readonly pulse: Pulse;
  private readonly keyPrefix: string;
  private keyCount = 0;
  /** The newest id that was made here: as a key it has not been said yet. */
  private freshKey: string | undefined;
  private queue: Said[] = [];
  private queuedBytes = 0;
  private isSending = false;
  private leaseMs: number | undefined;
  private heardMono: number;
  private holder: WeakRef<object> | undefined;

  constructor(settings: Settings, calls: HttpCalls, terms: LineTerms) {
    this.settings = settings;
    this.calls = calls;
    this.terms = terms;
    this.picture = terms.picture;
    this.leaseMs = terms.leaseMs;
    this.heardMono = terms.sentMono;
    // Unique in the run, also when it was claimed and said things before.
    const random = [...settings.clock.random(keyBytes)];
    this.keyPrefix = `${random.map((byte) => byte.toString(16).padStart(2, "0")).join("")}.`;
    this.pulse = new Pulse({
      clock: settings.clock,
      everyMs: () => this.beatMs,
      beat: () => this.heartbeat(1, Math.min(settings.timeoutMs, this.leaseMs ?? settings.timeoutMs)),
      isHeld: () => this.isSending || this.holder?.deref() !== undefined,
      onDropped: () => this.end("nobody holds the run's handle any more"),
    });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The line lives as long as this handle does, and what was said through it. */
  heldBy(handle: object): void {
    this.holder = new WeakRef(handle);
  }

  /** An id is made here, and may become a key. */
  issued(id: string): string {
    this.freshKey = id;
    return id;
  }

  say(events: readonly EventInput[]): Promise<PublishAnswer> {
    let call: Said;
    try {
      const traceparent = this.terms.traceparent?.() ?? this.settings.traceparent();
      const isFresh = (key: string | undefined) => key === undefined || key === this.freshKey;
      call = said(events, { next: () => `${this.keyPrefix}${(this.keyCount += 1)}`, isFresh }, traceparent);
      // Said a second time, it is a question what became of it.
      this.freshKey = undefined;
      if (this.queuedBytes + call.bytes > maxQueuedBytes)
        throw new TooMany({ message: "too much waits for the server already", retryAfterMs: 0 });
    } catch (cause) {
      return this.refusedAtOnce(events, cause);
    }
    this.queue.push(call);
    this.queuedBytes += call.bytes;
    if (!this.isSending) {
      this.isSending = true;
      // After this turn: what is said in it shares the request.
      queueMicrotask(() => void this.drain());
    }
    return call.answered;
  }

  /** Fails: `Fenced`, `RunEnded`, `NotFound`, `LogUnavailable`, …; what ends the run here aborts its signal. */
  async heartbeat(tries?: number, timeoutMs?: number): Promise<void> {
    const body = JSON.stringify({ fence: this.terms.fence });
    try {
      this.heard(await this.calls.settle({ ...this.address("heartbeat"), body, timeoutMs }, this.persistence(tries)));
    } catch (cause) {
      this.lost(cause);
      throw cause;
    }
  }

  /** No more beats; the signal aborts, and the first reason stands. */
  end(reason: string): void {
    this.pulse.end();
    if (!this.signal.aborted) this.controller.abort(new DOMException(reason, "AbortError"));
  }

  private get beatMs(): number {
    const { heartbeatMs } = this.settings;
    return heartbeatMs ?? Math.min((this.leaseMs ?? minLeaseMs) / beatsPerLease, maxBeatMs);
  }

  private address(what: "events" | "heartbeat") {
    const { runId, tenantId } = this.terms;
    const expects = what === "events" ? "offset" : "leaseUntil";
    return { path: `/runs/${encodeURIComponent(runId)}/${what}`, expects, tenantId };
  }

  private persistence(tries?: number) {
    return { tries, untilMono: () => this.heardMono + (this.leaseMs ?? defaultLeaseMs) };
  }

  private async drain(): Promise<void> {
    while (this.queue.length > 0) {
      const request = this.queue.splice(0, joined(this.queue, this.picture, this.terms.mayRepair));
      await this.send(request);
    }
    this.isSending = false;
  }

  private async send(request: readonly Said[]): Promise<void> {
    const body = `{"fence":${JSON.stringify(this.terms.fence)},"events":[${request.map(({ text }) => text).join(",")}]}`;
    const traceparent = request[0]?.traceparent;
    try {
      const answer = await this.calls.settle({ ...this.address("events"), body, traceparent }, this.persistence());
      this.answered(request, answer);
    } catch (cause) {
      this.refused(request, cause as PublishFailure);
    }
  }

  /** Where each call's last event stands: counted back from the last of all, since the server adds none in between. */
  private answered(request: readonly Said[], answer: HttpAnswer): void {
    const { cancelRequested, ...whole } = answer.body as PublishAnswer;
    const total = request.reduce((count, { events }) => count + events.length, 0);
    let behind = 0;
    const answers = [...request].reverse().map((call): [Said, PublishAnswer] => {
      const place = { ...whole, seq: whole.seq - behind, offset: whole.offset - behind };
      behind += call.events.length;
      return [
        call,
        request.length === 1 ? whole : { ...place, duplicates: whole.duplicates === total ? call.events.length : 0 },
      ];
    });
    for (const [call, place] of answers.reverse()) {
      this.queuedBytes -= call.bytes;
      if (whole.quarantined !== total) for (const event of call.events) this.picture.fold(event);
      call.resolve(place);
    }
    if (this.picture.isOver) this.end(`the run is ${this.picture.state}`);
    else this.heard(answer, cancelRequested);
  }

  private heard(
    answer: HttpAnswer,
    isAskedToStop = Reflect.get(Object(answer.body), "cancelRequested") === true,
  ): void {
    this.heardMono = Math.max(this.heardMono, answer.sentMono);
    this.learnLease(answer);
    this.pulse.heard(this.heardMono);
    if (isAskedToStop && !this.signal.aborted) this.controller.abort(new DOMException(askedToStop, "AbortError"));
  }

  /** How long the lease is, when the run was made elsewhere: told by the server's clock, and never more than it is. */
  private learnLease({ body, serverDateMs }: HttpAnswer): void {
    const until: unknown = Reflect.get(Object(body), "leaseUntil");
    if (this.leaseMs !== undefined || serverDateMs === undefined || typeof until !== "string") return;
    const leaseMs = Date.parse(until) - serverDateMs - dateSlackMs;
    if (!Number.isNaN(leaseMs)) this.leaseMs = Math.max(minLeaseMs, leaseMs);
  }

  private refused(request: readonly Said[], failure: PublishFailure): void {
    const guilty = blamed(request, failure);
    if (guilty) {
      // Nothing was written. The others did nothing wrong: they go again, in their order.
      this.reject(guilty.call, guilty.failure);
      this.queue.unshift(...request.filter((call) => call !== guilty.call));
      return;
    }
    const isOfContent = failure._tag === "InvalidInput" || failure._tag === "TooLarge";
    if (isOfContent && request.length > 1) {
      for (const call of request) call.isAlone = true;
      this.queue.unshift(...request);
      return;
    }
    this.lost(failure);
    for (const call of request) this.reject(call, failure.copy());
    if (isTransient(failure)) this.giveUpQueue(failure);
  }

  /** What was said behind events that have no outcome must not overtake them. */
  private giveUpQueue(cause: PublishFailure): void {
    for (const call of this.queue.splice(0)) {
      const failure = new LogUnavailable({
        message: `it was not sent: an event before it was not written (${cause.message})`,
        retryAfterMs: 0,
      });
      failure.outcome = "refused";
      this.reject(call, failure);
    }
  }

  private reject(call: Said, failure: PublishFailure): void {
    this.queuedBytes -= call.bytes;
    failure.events = call.events;
    call.reject(failure);
    this.tell(call.events, failure);
  }

  /** In a turn of its own: what the application throws there is its own affair. */
  private tell(events: readonly EventInput[], failure: PublishFailure): void {
    const { runId } = this.terms;
    queueMicrotask(() => this.settings.onRefused({ runId, events, failure }));
  }

  private refusedAtOnce(events: readonly EventInput[], cause: unknown): Promise<PublishAnswer> {
    const failure = cause as PublishFailure;
    const refused = Promise.reject<PublishAnswer>(failure);
    refused.catch(() => {});
    this.tell(events, failure);
    return refused;
  }

  /** Somebody else holds the run, or it is over, or the server knows none: this handle has nothing more to say. */
  private lost(cause: unknown): void {
    const tag: unknown = Reflect.get(Object(cause), "_tag");
    if (tag === "Fenced") this.end("another runner has taken the run over");
    if (tag === "NotFound") this.end("the server knows no such run");
    if (cause instanceof RunEnded) {
      this.picture.ended(cause.state);
      this.end(`the run is ${cause.state}`);
    }
  }
}
