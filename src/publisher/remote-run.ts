/**
 * The handle of a run that lives in a server elsewhere: the same `Run` as an embedded one, so that every runner works
 * over it. While it is held its lease is renewed; dropped, the server finds out (L16).
 */
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import type { Fence, RunId } from "../../protocol/ids.ts";
import type { RunView } from "../../protocol/run-view.ts";
import type { Run } from "../runtime/run-handle.ts";
import { RunWords } from "../runtime/run-words.ts";
import type { RunLine } from "./run-line.ts";

/** A run that was taken over, with what it had become. */
export interface ClaimedRun extends Run {
  readonly snapshot: RunView;
}

export class RemoteRun extends RunWords {
  readonly runId: RunId;
  readonly fence: Fence;
  private readonly line: RunLine;

  constructor(line: RunLine, nextId: () => string) {
    super(() => line.issued(nextId()));
    this.line = line;
    this.runId = line.terms.runId;
    this.fence = line.terms.fence;
    line.heldBy(this);
  }

  get signal(): AbortSignal {
    return this.line.signal;
  }

  /** After what the server has answered so far. */
  get state(): Run["state"] {
    return this.line.picture.state;
  }

  emit(events: EventInput | readonly EventInput[]): Promise<PublishAnswer> {
    return this.line.say(Array.isArray(events) ? events : [events as EventInput]);
  }

  heartbeat(): Promise<void> {
    return this.line.heartbeat();
  }
}

/** The same, with the snapshot of the claim. */
export class ClaimedRemoteRun extends RemoteRun implements ClaimedRun {
  readonly snapshot: RunView;

  constructor(line: RunLine, nextId: () => string, snapshot: RunView) {
    super(line, nextId);
    this.snapshot = snapshot;
  }
}
