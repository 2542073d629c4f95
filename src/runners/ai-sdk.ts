/**
 * AI SDK 7 → Runcast (`runcast/ai-sdk`): drains a `streamText` or agent result to its end and writes what happens
 * into a run. The mapping is `ai-sdk-mapper`, the writing is `run-writer`; here is the driving. The server reads
 * the stream, not a tab: a run whose user has gone still runs (docs: runners).
 */
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/clock.ts";
import type { Run } from "../runtime/run-handle.ts";
import { AiSdkMapper } from "./ai-sdk-mapper.ts";
import type { AiSdkExecutionEnd, AiSdkExecutionStart, AiSdkPart, AiSdkResult } from "./ai-sdk-signal.ts";
import { failureOf } from "./failure.ts";
import type { RunOutcome } from "./outcome.ts";
import { isLost, RunWriter } from "./run-writer.ts";

export type { AiSdkExecutionEnd, AiSdkExecutionStart, AiSdkPart, AiSdkResult, AiSdkToolCall } from "./ai-sdk-signal.ts";
export type { RunOutcome } from "./outcome.ts";

/**
 * Goes into `streamText({ ...wiring, model, … })` or `agent.stream({ ...wiring, prompt })`: the stop button, and
 * the hooks that know when a tool really runs.
 */
export interface AiSdkWiring {
  readonly abortSignal: AbortSignal;
  /** Resolves when `tool_executing` is durable: no tool has side effects that the log knows nothing of. */
  readonly onToolExecutionStart: (event: AiSdkExecutionStart) => Promise<void>;
  readonly onToolExecutionEnd: (event: AiSdkExecutionEnd) => void;
}

/** Makes the result with the wiring in it. A result without wiring works too; when tools start is then inferred. */
export type AiSdkSource = AiSdkResult | ((wiring: AiSdkWiring) => AiSdkResult | PromiseLike<AiSdkResult>);

export interface RunAiSdkOptions {
  /** Data of the `agent_resumed` that is written when the run was suspended. */
  readonly decisions?: unknown;
  /** The least time between two writes of nothing but tokens; 0 writes them as they come. Default 50. */
  readonly deltaWindowMs?: number | undefined;
  /** With no sign of life for so long the source is stopped and the run fails as `stalled`. Default: never. */
  readonly stallMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

/** An approval request follows its call at once; a call still alone after this is taken to run. */
const inferenceMs = 25;
const prefixBytes = 4;

class Stalled extends Error {
  override readonly name = "Stalled";
}

const streamOf = (result: AiSdkResult): AsyncIterable<AiSdkPart> =>
  "stream" in result ? result.stream : result.fullStream;

/**
 * Carries one AI SDK generation into `run`, up to the run's end or its suspension.
 *
 * Shape: the outcome says how the agent ended; a failed or cancelled agent is no rejection. A suspended run goes on
 * with a second call and the same `run`.
 * Fails: with the log's or the run machine's error when an event could not be written (the source is stopped then).
 */
export async function runAiSdk(run: Run, source: AiSdkSource, options: RunAiSdkOptions = {}): Promise<RunOutcome> {
  const { clock = systemClock } = options;
  const stop = new AbortController();
  const abortSignal = AbortSignal.any([run.signal, stop.signal]);
  const writer = new RunWriter(run, {
    clock,
    deltaWindowMs: options.deltaWindowMs,
    onBroken: (error) => stop.abort(error),
  });
  const mapper = new AiSdkMapper({
    hooks: typeof source === "function",
    messagePrefix: `${Buffer.from(clock.random(prefixBytes)).toString("base64url")}.`,
    isAborted: () => run.signal.aborted,
  });
  const watchdog = new Watchdog(clock, options.stallMs, () =>
    stop.abort(new Stalled("the agent gave no sign of life")),
  );
  const wiring: AiSdkWiring = {
    abortSignal,
    onToolExecutionStart: (event) => {
      watchdog.feed();
      writer.push(mapper.executionStarted(event));
      return writer.flushed();
    },
    onToolExecutionEnd: (event) => {
      watchdog.feed();
      writer.push(mapper.executionEnded(event));
    },
  };
  if (run.state === "suspended")
    writer.push([
      { type: "agent_resumed", data: options.decisions === undefined ? {} : { decisions: options.decisions } },
    ]);

  let thrown: { readonly error: unknown } | undefined;
  try {
    const result = typeof source === "function" ? await source(wiring) : source;
    for await (const part of streamOf(result)) {
      watchdog.feed();
      writer.push(mapper.part(part));
      if (mapper.hasInferences) clock.after(inferenceMs, () => writer.push(mapper.settle()));
      await writer.room();
    }
  } catch (error) {
    thrown = { error };
  } finally {
    watchdog.end();
  }
  if (watchdog.hasBitten) return await stalled(run, mapper, writer);
  const { events, outcome } = mapper.end({ thrown });
  writer.push(events);
  await writer.flushed();
  return await settled(run, writer, outcome);
}

async function stalled(run: Run, mapper: AiSdkMapper, writer: RunWriter): Promise<RunOutcome> {
  mapper.end();
  const error = { code: "stalled", message: "the agent gave no sign of life", retryable: true };
  writer.push([{ type: "agent_failed", data: { error } }]);
  await writer.flushed();
  return await settled(run, writer, { state: "failed", error });
}

/** The outcome, if it could be written. */
async function settled(run: Run, writer: RunWriter, outcome: RunOutcome): Promise<RunOutcome> {
  if (writer.broken === undefined) return outcome;
  const { error } = writer.broken;
  if (isLost(error)) return { state: "lost", error };
  // The run must not stay open: say why it ends, if that at least can be written.
  await run.failed(failureOf(error, "not_written")).catch(() => {});
  throw error;
}

/** Bites when nothing was heard for `stallMs`. */
class Watchdog {
  hasBitten = false;
  private readonly clock: Clock;
  private readonly stallMs: number | undefined;
  private readonly bite: () => void;
  private cancel: (() => void) | undefined;

  constructor(clock: Clock, stallMs: number | undefined, bite: () => void) {
    this.clock = clock;
    this.stallMs = stallMs;
    this.bite = bite;
    this.feed();
  }

  feed(): void {
    this.cancel?.();
    if (this.stallMs === undefined || this.hasBitten) return;
    this.cancel = this.clock.after(this.stallMs, () => {
      this.hasBitten = true;
      this.bite();
    });
  }

  end(): void {
    this.cancel?.();
  }
}
