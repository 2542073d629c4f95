/**
 * The picture that this process has of one living run: where it stands, what state it is in, who may write to it, who
 * listens. `live-run` judges and writes on it; `run-turns` brings it up to date where other processes write, too.
 */
import { runStateOf } from "../../machines/legality.ts";
import type { Epoch, Fence, Offset, Seq } from "../../protocol/ids.ts";
import type { RunState } from "../../protocol/run-view.ts";
import { Fenced } from "../errors.ts";
import type { RunRecord } from "../log/event-log.ts";
import type { RunActor } from "./judge.ts";
import type { DatedEvent } from "./run-dates.ts";
import type { RunHost } from "./run-host.ts";

const nothing = (): void => {};

/** Where a run stood before a batch was judged. */
export interface Stand {
  readonly snapshot: ReturnType<RunActor["getSnapshot"]>;
  readonly seq: Seq;
}

/** The same, of what is in the log for certain: what comes next may be told from there on, while the epoch stands. */
export interface Basis extends Stand {
  readonly epoch: Epoch;
}

export class RunPicture {
  readonly record: RunRecord;
  fence: Fence;
  /** Of the newest accepted event, committed or not. */
  seq: Seq;
  /** Of the newest committed event. */
  offset: Offset;
  actor: RunActor;
  /** Its runner was heard: the lease listens. */
  onHeard: () => void = nothing;
  /** A date of it was set or settled, and that is durable. `atMs`: milliseconds since 1970. */
  onDated: (event: DatedEvent, atMs: number) => void = nothing;
  /** Another runner holds it from here on, which another process was told of. */
  onTakenOver: () => void = nothing;
  /** The batch that is being judged rests on more than legality: on what was left out, by this picture of the run. */
  leans = false;
  /** Of its stream, when this picture was drawn or last confirmed, where other processes write, too. */
  epoch: Epoch | undefined;
  /** Others may have written to it unheard; gone once a word that is said from then on is written where it was expected. */
  unproven: object | undefined;
  /** Where it stood before a write of unknown outcome. */
  basis: Basis | undefined;
  /** Events of it that other processes wrote while this one had it. */
  heardElsewhere = 0;
  protected readonly host: RunHost;
  private childCount = 0;

  constructor(host: RunHost, record: RunRecord, actor: RunActor) {
    this.host = host;
    this.record = record;
    this.actor = actor;
    this.fence = record.fence;
    this.seq = record.seq;
    this.offset = record.lastOffset;
  }

  get state(): RunState {
    return runStateOf(this.actor.getSnapshot());
  }

  get isCancelling(): boolean {
    return this.actor.getSnapshot().context.cancel;
  }

  /** A human owes the next word: its runner owes nothing (L16). */
  get isWaiting(): boolean {
    const { value, context } = this.actor.getSnapshot();
    return value === "suspended" && !context.answered;
  }

  /** Fails: `Fenced`, when a newer runner holds the run. */
  requireFence(fence: Fence | string | undefined): void {
    if (fence !== this.fence)
      throw new Fenced({ message: "this fence is not the newest: another runner holds the run" });
  }

  /** So many of its children live, whatever else its machine is put back to. */
  countChildren(count: number): void {
    const { children } = this.actor.getSnapshot().context;
    const type = count > children ? "child.started" : "child.ended";
    for (let left = Math.abs(count - children); left > 0; left -= 1) this.actor.send({ type });
    this.childCount = count;
  }

  get stand(): Stand {
    return { snapshot: this.actor.getSnapshot(), seq: this.seq };
  }

  /** Its machine stands there again, and its children are counted as they are. */
  putBack(snapshot: Stand["snapshot"]): void {
    if (this.actor.getSnapshot() !== snapshot) {
      const persisted = this.actor.logic.getPersistedSnapshot(snapshot);
      this.host.release(this.actor);
      this.actor = this.host.actor(this.record, persisted);
    }
    this.countChildren(this.childCount);
  }
}
