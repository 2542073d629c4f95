/**
 * The handle that an embedded runner holds (`Run`). It says events in the runner's name, under its fence; while the
 * runner holds it the lease renews itself, and its signal is how a cancellation reaches the code.
 */
import { checkEvent } from "../../protocol/codec.ts";
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import type { Fence, RunId } from "../../protocol/ids.ts";
import type { LivingState, TerminalState } from "../../protocol/run-view.ts";
import { InvalidInput } from "../errors.ts";
import { Receipt } from "./receipt.ts";
import type { RunDesk } from "./run-desk.ts";
import { RunWords } from "./run-words.ts";
import type { Runs } from "./runs.ts";

export class EmbeddedRun extends RunWords {
  readonly runId: RunId;
  readonly fence: Fence;
  private readonly runs: Runs;
  private readonly first: RunDesk;

  constructor(runs: Runs, desk: RunDesk, nextId: () => string) {
    super(nextId);
    this.runs = runs;
    this.first = desk;
    this.runId = desk.run.record.runId;
    this.fence = desk.run.fence;
    desk.embed(this);
  }

  get signal(): AbortSignal {
    const { desk } = this;
    // A claim gives the next handle a signal of its own; this one is lost.
    return desk.run.fence === this.fence ? desk.signal : AbortSignal.abort();
  }

  private get desk(): RunDesk {
    return this.runs.current(this.first);
  }

  get state(): LivingState | TerminalState {
    const { state } = this.desk.run;
    return state === "idle" ? "started" : state;
  }

  emit(events: EventInput | readonly EventInput[]): Promise<PublishAnswer> {
    const batch: readonly EventInput[] = Array.isArray(events) ? events : [events as EventInput];
    for (const [index, event] of batch.entries()) {
      const checked = checkEvent(event, `events[${index}]`);
      if (!checked.ok) return Receipt.refused(new InvalidInput({ code: "invalid_event", ...checked.issue }));
    }
    return this.runs.publishAs(this.desk, batch, { fence: this.fence });
  }

  async heartbeat(): Promise<void> {
    this.desk.run.requireFence(this.fence);
    await this.desk.heard();
  }
}
