/**
 * Any async function as the runner of a run (`runcast/runner`): what it does is written, and how it settles ends
 * the run. Stands beside the framework adapters and needs nothing but a `Run`.
 */
import type { EventInput } from "../../protocol/event.ts";
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/clock.ts";
import { pause } from "../platform/pause.ts";
import { insist } from "../runtime/insist.ts";
import type { MessageChannel, Run, RunFailure, ToolCall } from "../runtime/run-handle.ts";
import { failureOf } from "./failure.ts";
import { jsonOf } from "./json-value.ts";
import type { RunOutcome } from "./outcome.ts";
import { isLost, isUnsettled } from "./run-writer.ts";
import { WatchedWrite } from "./watched-write.ts";

export type { RunOutcome } from "./outcome.ts";

/**
 * What the function gets: the run, in the words of an agent. Every call resolves once it is durable; one that is
 * refused while nobody awaits it ends the run as failed.
 */
export interface AgentContext {
  readonly run: Run;
  /** Aborts when somebody asked the run to stop: give it to whatever you call. */
  readonly signal: AbortSignal;
  thinking(thought?: string): Promise<void>;
  /** Runs a tool; calls may overlap. Resolves and rejects as `execute` does. */
  tool<Result>(call: string | ToolCall, execute: (signal: AbortSignal) => Result | Promise<Result>): Promise<Result>;
  delta(messageId: string, text: string, channel?: MessageChannel): Promise<void>;
  message(messageId: string, text: string): Promise<void>;
  progress(message: string, percent?: number): Promise<void>;
  /**
   * Goes on although somebody asked the run to stop, and tells them so; how the function settles counts again. Its
   * signal stays aborted. Rejects when nobody has asked.
   */
  refuseStop(reason?: string): Promise<void>;
}

export interface RunAgentOptions {
  readonly clock?: Clock | undefined;
}

/** How long tools may take to stop when the agent has failed without them. */
const stopToolsMs = 5_000;
const keyBytes = 6;

/**
 * Runs `agent` as the run: resolved is completed with its value as output, rejected is failed, and with the run
 * asked to stop either is cancelled. Tools and writes that are under way when it resolves are waited for; when it
 * rejects the signal of its tools aborts, and they are waited for 5 s, so that the log says how they ended.
 *
 * Shape: the outcome; a failed agent is no rejection.
 * Fails: when the end itself could not be written.
 */
export async function runAgent(
  run: Run,
  agent: (context: AgentContext) => unknown,
  { clock = systemClock }: RunAgentOptions = {},
): Promise<RunOutcome> {
  const open = new Set<Promise<unknown>>();
  const stopTools = new AbortController();
  const writes = new Set<WatchedWrite>();
  let hasRefusedStop = false;
  const write = (event: EventInput): WatchedWrite => {
    const written = new WatchedWrite(run.emit(event));
    writes.add(written);
    // Those that failed stay, to be asked at the end whether somebody heard.
    void written.settled.then(() => {
      if (written.unheard === undefined) writes.delete(written);
    });
    return written;
  };
  const context: AgentContext = {
    run,
    signal: run.signal,
    thinking: (thought) => write({ type: "agent_thinking", data: thought === undefined ? {} : { thought } }),
    tool: (call, execute) => {
      const running = run.tool(typeof call === "string" ? { toolName: call } : call, (signal) =>
        execute(AbortSignal.any([signal, stopTools.signal])),
      );
      const settled: Promise<unknown> = running.then(
        () => open.delete(settled),
        () => open.delete(settled),
      );
      open.add(settled);
      return running;
    },
    delta: (messageId, text, channel = "text") => write({ type: "agent_delta", data: { messageId, channel, text } }),
    message: (messageId, text) => write({ type: "agent_message", data: { messageId, role: "assistant", text } }),
    progress: (message, percent) =>
      write({ type: "agent_progress", data: { message, ...(percent !== undefined && { percent }) } }),
    refuseStop: (reason) => {
      const written = write({ type: "cancel_refused", data: reason === undefined ? {} : { reason } });
      void written.settled.then(() => {
        hasRefusedStop ||= written.isWritten;
      });
      return written;
    },
  };
  let output: unknown;
  let thrown: { readonly error: unknown } | undefined;
  try {
    output = jsonOf(await agent(context));
    await Promise.all(open);
    for (const written of [...writes]) {
      await written.settled;
      thrown ??= written.unheard;
    }
  } catch (error) {
    thrown = { error };
    stopTools.abort(error);
    await within(clock, stopToolsMs, open);
  }
  return await end(run, clock, output, thrown, run.signal.aborted && !hasRefusedStop);
}

/** Resolves when all have settled, or the time is over. */
async function within(clock: Clock, ms: number, open: ReadonlySet<Promise<unknown>>): Promise<void> {
  if (open.size === 0) return;
  await new Promise<void>((resolve) => {
    const cancel = clock.after(ms, resolve);
    void Promise.all(open).then(() => {
      cancel();
      resolve();
    });
  });
}

async function end(
  run: Run,
  clock: Clock,
  output: unknown,
  thrown: { readonly error: unknown } | undefined,
  isStopped: boolean,
): Promise<RunOutcome> {
  if (thrown && isLost(thrown.error)) return { state: "lost", error: thrown.error };
  const key = `end.${Buffer.from(clock.random(keyBytes)).toString("base64url")}`;
  const write = (event: EventInput): Promise<unknown> =>
    insist(
      () => run.emit({ ...event, key }),
      (ms) => pause(clock, ms),
    );
  try {
    if (isStopped) {
      const reason = reasonOf(run.signal);
      await write({ type: "agent_cancelled", data: { by: "runner", ...(reason !== undefined && { reason }) } });
      return { state: "cancelled", reason };
    }
    if (thrown) {
      const error = failureOf(thrown.error);
      await write({ type: "agent_failed", data: { error: { retryable: false, ...error } } });
      return { state: "failed", error };
    }
    if (run.state === "suspended") return { state: "suspended", reason: "suspended" };
    await write({ type: "agent_completed", data: output === undefined ? {} : { output } });
    return { state: "completed", output };
  } catch (error) {
    if (isLost(error)) return { state: "lost", error };
    // It may be there: another end would be the second.
    if (isUnsettled(error)) throw error;
    const failure: RunFailure = failureOf(error, "not_written");
    // The run must not stay open: say why it ends, if that at least can be written.
    await run.failed(failure).catch(() => {});
    throw error;
  }
}

function reasonOf(signal: AbortSignal): string | undefined {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason.message : undefined;
}
