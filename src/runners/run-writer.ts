/**
 * The pen of an adapter: it takes events in order and writes them to its run, one batch in flight at a time. What
 * comes meanwhile waits, and tokens of one message that wait together become one delta. Every event bears a key,
 * so a batch whose outcome is unknown is simply written again.
 */
import type { EventInput } from "../../protocol/event.ts";
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/clock.ts";
import { pause } from "../platform/pause.ts";
import type { Run } from "../runtime/run-handle.ts";
import { withoutPayload } from "./withheld.ts";

/** Tokens faster than this share a row: twenty a second read like writing. */
const defaultDeltaWindowMs = 50;
/** Beyond this the source is asked to wait: the log is slower than the model. */
const maxQueuedEvents = 256;
const maxBatchEvents = 200;
/** With the log's own `retryAfterMs` of 1 s this outlives a restart of the log, and ends before a user gives up. */
const maxTries = 30;
const minRetryMs = 20;
const keyBytes = 6;

export interface RunWriterTerms {
  readonly clock?: Clock | undefined;
  /** The least time between two writes that hold nothing but deltas. 0: every tick. */
  readonly deltaWindowMs?: number | undefined;
  /** It can write no more; called once. */
  readonly onBroken?: ((error: unknown) => void) | undefined;
}

const tagOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null ? Reflect.get(error, "_tag") : undefined;

/** Somebody else ended the run, or holds it now. */
export const isLost = (error: unknown): boolean => tagOf(error) === "RunEnded" || tagOf(error) === "Fenced";

const unsettled: readonly unknown[] = ["LogUnavailable", "LogFull", "SeqConflict"];

/** The outcome is unknown, there was no room, or another node has just written to the run: the same keys settle it. */
export const isUnsettled = (error: unknown): boolean => unsettled.includes(tagOf(error));

function refusedPayload(error: unknown): { readonly index: number; readonly path: string } | undefined {
  if (tagOf(error) !== "Contaminated") return undefined;
  const path = String(Reflect.get(Object(error), "path"));
  const index = /^events\[(\d+)\]/.exec(path)?.[1];
  return index === undefined ? undefined : { index: Number(index), path };
}

export class RunWriter {
  /** Why it writes no more. */
  broken: { readonly error: unknown } | undefined;
  private readonly run: Run;
  private readonly clock: Clock;
  private readonly deltaWindowMs: number;
  private readonly onBroken: ((error: unknown) => void) | undefined;
  private readonly keyPrefix: string;
  private keyCount = 0;
  private queue: EventInput[] = [];
  /** Something in the queue must not wait for the window. */
  private urgent = false;
  private writing = false;
  private lastWriteMs = Number.NEGATIVE_INFINITY;
  private cancelTimer: (() => void) | undefined;
  private idle: (() => void)[] = [];
  private waiting: (() => void)[] = [];

  constructor(run: Run, terms: RunWriterTerms = {}) {
    this.run = run;
    this.clock = terms.clock ?? systemClock;
    this.deltaWindowMs = terms.deltaWindowMs ?? defaultDeltaWindowMs;
    this.onBroken = terms.onBroken;
    // Unique in the run, also when a resumed run gets a second writer.
    this.keyPrefix = `${Buffer.from(this.clock.random(keyBytes)).toString("base64url")}.`;
  }

  /** Takes events; they keep their place. Never waits and never throws. */
  push(events: readonly EventInput[]): void {
    if (this.broken || events.length === 0) return;
    for (const event of events) {
      this.enqueue(event);
      if (event.type !== "agent_delta") this.urgent = true;
    }
    this.schedule();
  }

  /** Resolves when all that was taken is durable, or nothing can be written any more. */
  flushed(): Promise<void> {
    if (this.broken || (this.queue.length === 0 && !this.writing)) return Promise.resolve();
    this.urgent = true;
    this.schedule();
    return new Promise((resolve) => this.idle.push(resolve));
  }

  /** Resolves when there is room for more: what makes a fast model wait for a slow log. */
  room(): Promise<void> {
    if (this.broken || this.queue.length < maxQueuedEvents) return Promise.resolve();
    this.urgent = true;
    this.schedule();
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private enqueue(event: EventInput): void {
    const last = this.queue.at(-1);
    const isSameMessage =
      event.type === "agent_delta" &&
      last?.type === "agent_delta" &&
      last.data.messageId === event.data.messageId &&
      last.data.channel === event.data.channel;
    if (!isSameMessage) this.queue.push(event);
    else this.queue.splice(-1, 1, { ...last, data: { ...last.data, text: last.data.text + event.data.text } });
  }

  private schedule(): void {
    if (this.writing) return;
    const waitMs = this.urgent ? 0 : this.lastWriteMs + this.deltaWindowMs - this.clock.mono();
    if (waitMs > 0) {
      this.cancelTimer ??= this.clock.after(waitMs, () => void this.write());
      return;
    }
    this.writing = true;
    // After this tick: what comes with it shares the batch.
    queueMicrotask(() => void this.write());
  }

  private async write(): Promise<void> {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.writing = true;
    do {
      const batch = this.queue.splice(0, maxBatchEvents);
      if (this.queue.length === 0) this.urgent = false;
      if (batch.length > 0) await this.settle(batch.map((event) => this.keyed(event)));
      this.lastWriteMs = this.clock.mono();
      this.release();
    } while (!this.broken && (this.queue.length > 0 ? this.urgent : false));
    this.writing = false;
    if (!this.broken && this.queue.length > 0) this.schedule();
    this.release();
  }

  private keyed(event: EventInput): EventInput {
    if (event.key !== undefined) return event;
    this.keyCount += 1;
    return { ...event, key: `${this.keyPrefix}${this.keyCount}` };
  }

  /** Writes a batch until its outcome is known. */
  private async settle(batch: EventInput[]): Promise<void> {
    const withheld = new Set<number>();
    for (let tries = 1; ; ) {
      try {
        await this.run.emit(batch);
        return;
      } catch (error) {
        const refused = refusedPayload(error);
        const event = refused && batch[refused.index];
        if (refused && event && !withheld.has(refused.index)) {
          withheld.add(refused.index);
          batch[refused.index] = withoutPayload(event, refused.path);
          continue;
        }
        if (!isUnsettled(error) || tries >= maxTries) return this.breakDown(error);
        tries += 1;
        await this.pause(error);
      }
    }
  }

  private pause(error: unknown): Promise<void> {
    const wishMs: unknown = Reflect.get(Object(error), "retryAfterMs");
    const waitMs = Math.max(typeof wishMs === "number" ? wishMs : 0, minRetryMs);
    return pause(this.clock, waitMs);
  }

  private breakDown(error: unknown): void {
    this.broken = { error };
    this.queue = [];
    this.onBroken?.(error);
  }

  private release(): void {
    if (this.broken || this.queue.length < maxQueuedEvents) for (const resolve of this.waiting.splice(0)) resolve();
    if (this.broken || (this.queue.length === 0 && !this.writing)) for (const resolve of this.idle.splice(0)) resolve();
  }
}
