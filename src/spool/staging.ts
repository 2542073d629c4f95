/**
 * Gives appends their places while the log takes none: with the rules of the log, on what the log had, what waits behind it
 * and what was placed just before. Nothing of it counts until it is durable: `tail-writer` then adds it to the overlay.
 */
import type { Offset, RunKey, StreamKey } from "../../protocol/ids.ts";
import { runKey } from "../../protocol/ids.ts";
import { LogUnavailable } from "../errors.ts";
import { assertAppend, refuseAppend, type Refused } from "../log/append-rules.ts";
import { logRetryAfterMs } from "../log/closed.ts";
import type { Append, EventLog, KnownKey, RunRecord } from "../log/event-log.ts";
import { type Entry, isOwnKey } from "./entry.ts";
import type { Known } from "./known.ts";
import type { LogReader } from "./log-reader.ts";
import type { Overlay } from "./overlay.ts";

export interface StagingTerms {
  readonly log: EventLog;
  readonly known: Known;
  readonly overlay: Overlay;
  readonly reader: LogReader;
}

export class Staging {
  readonly entries: Entry[] = [];
  readonly #terms: StagingTerms;
  readonly #heads = new Map<StreamKey, Offset>();
  readonly #runs = new Map<RunKey, RunRecord>();
  readonly #keys = new Map<string, KnownKey>();

  constructor(terms: StagingTerms) {
    this.#terms = terms;
  }

  /**
   * The entry with its place, or what the log would have answered.
   *
   * Fails: `LogUnavailable` when only the log knows, and it does not answer; a TypeError for what no log can hold.
   */
  async place(append: Append): Promise<Entry | Refused> {
    assertAppend(append);
    const { run: target, events, stream } = append;
    const before = target && (await this.#run(append, target));
    if (target?.create !== undefined && before !== undefined) return { kind: "run_exists", run: before };
    if (target?.create === undefined) {
      const known = await this.#knownKeys(append);
      // `asksFamily` is for logs that others write to, and before those there is no spool.
      const refused = refuseAppend(
        append,
        events,
        before,
        (name) => known.get(name),
        () => false,
      );
      if (refused !== undefined) return refused;
    }
    const head = await this.#head(stream);
    const offset = head + events.length;
    const record = target && after(append, target, before, offset);
    const seq = record?.seq ?? 0;
    const entry: Entry = { append, epoch: this.#epoch, offset, seq, fence: record?.fence ?? 0, record };
    this.#heads.set(stream, offset);
    if (record !== undefined) this.#runs.set(runKey(record.tenantId, record.runId), record);
    for (const [index, { key }] of events.entries()) {
      if (key === undefined) continue;
      const place = { seq: target === undefined ? 0 : seq + 1 - events.length + index, offset: head + 1 + index };
      this.#keys.set(keyName(append, key.name), { digest: key.digest, ...place });
    }
    this.entries.push(entry);
    return entry;
  }

  get #epoch(): Entry["epoch"] {
    const { epoch } = this.#terms.known;
    if (epoch === undefined) throw silent("the log has not answered yet");
    return epoch;
  }

  async #head(stream: StreamKey): Promise<Offset> {
    const { known, overlay, log, reader } = this.#terms;
    const staged = this.#heads.get(stream);
    if (staged !== undefined) return staged;
    const tail = overlay.stream(stream);
    if (tail !== undefined) return tail.base + tail.events.length;
    const seen = known.stream(stream);
    if (seen !== undefined) return seen.head;
    const position = await reader.ask(() => log.position(stream));
    known.noteStream(stream, position);
    return position.head;
  }

  async #run(append: Append, { tenantId, runId, isNewId }: NonNullable<Append["run"]>): Promise<RunRecord | undefined> {
    const { known, overlay, log, reader } = this.#terms;
    const here = this.#runs.get(runKey(tenantId, runId)) ?? overlay.run(tenantId, runId)?.record;
    if (here !== undefined) return here;
    const seen = known.run(tenantId, runId);
    if (seen !== undefined) return seen;
    if (append.run?.create !== undefined && isNewId === true) return undefined;
    const record = await reader.ask(() => log.run(tenantId, runId));
    if (record !== undefined) known.noteRun(record);
    return record;
  }

  async #knownKeys(append: Append): Promise<ReadonlyMap<string, KnownKey>> {
    const { overlay, log, reader } = this.#terms;
    const owner = append.run ?? append;
    const found = new Map<string, KnownKey>();
    const others: string[] = [];
    for (const { key } of append.events) {
      if (key === undefined) continue;
      const known = this.#keys.get(keyName(append, key.name)) ?? overlay.key(owner, key.name);
      if (known !== undefined) found.set(key.name, known);
      else if (!isOwnKey(key.name)) others.push(key.name);
    }
    if (others.length === 0) return found;
    try {
      for (const [name, known] of await reader.ask(() => log.knownKeys(owner, others))) found.set(name, known);
    } catch (cause) {
      // A run has its own picture of its keys, and has asked it. A notice's key only the log knows.
      if (append.run === undefined) throw cause;
    }
    return found;
  }
}

/** Injective: a run's name and a stream's key begin differently for each owner, and are joined by what neither holds. */
const keyName = ({ run, stream }: Append, name: string): string =>
  run === undefined ? `s\n${stream}\n${name}` : `r\n${runKey(run.tenantId, run.runId)}\n${name}`;

function after(
  { events }: Append,
  { create, ended }: NonNullable<Append["run"]>,
  before: RunRecord | undefined,
  lastOffset: Offset,
): RunRecord | undefined {
  const count = events.length;
  if (create !== undefined)
    return { ...create, fence: 1, seq: count, firstOffset: lastOffset + 1 - count, lastOffset, ended };
  return before && { ...before, seq: before.seq + count, lastOffset, ended };
}

const silent = (message: string): LogUnavailable => new LogUnavailable({ message, retryAfterMs: logRetryAfterMs });
