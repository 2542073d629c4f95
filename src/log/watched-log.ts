/**
 * A log that says how it is: every adapter's calls pass through, and what they come to is told to the operator, in the
 * journal and as figures. Stands between the adapter and the runtime; a log that is down is asked until it is up.
 */
import { type StreamKey, streamOwner } from "../../protocol/ids.ts";
import { LogFull, LogUnavailable } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { EventLog, Slice } from "./event-log.ts";

/** How often a log that is down is asked whether it takes writes again. */
const probeMs = 1_000;
/** Four times what a WAL reaches by itself: somebody reads the store and does not stop. */
const maxWalBytes = 64 * 2 ** 20;
/** Offsets that are known to be corrupt, so that each is told once. */
const maxKnownCorrupt = 10_000;

export interface LogHealth {
  /** 0: the newest write failed. */
  readonly logUp: number;
  readonly logFailures: number;
  /** Writes that the log has not answered yet. */
  readonly logWrites: number;
  /** Questions that the log was asked: what a resume, a view or a listing costs it. */
  readonly logReads: number;
  /** Events that were read, and failed their checksum. */
  readonly corruptEvents: number;
  /** What waits beside the store's file; 0 where there is no such thing. */
  readonly logWalBytes: number;
}

export interface WatchedLog extends EventLog {
  health(): LogHealth;
  /** Asks no more whether it is up: its end is near. */
  rest(): void;
}

export interface WatchedLogTerms {
  readonly journal: Journal;
  readonly clock: Clock;
  /** Units: bytes. Above it the journal warns. */
  readonly maxWalBytes?: number | undefined;
}

export function watchedLog(log: EventLog, terms: WatchedLogTerms): WatchedLog {
  const { journal, clock } = terms;
  const { follow } = log;
  const knownCorrupt = new Set<string>();
  let downSinceMs: number | undefined;
  let failures = 0;
  let writes = 0;
  let reads = 0;
  let corruptEvents = 0;
  let walIsLong = false;
  let isResting = false;
  let cancelProbe: (() => void) | undefined;

  function succeeded(): void {
    if (downSinceMs !== undefined) {
      journal.write("info", "log.up", { downMs: Math.round(clock.mono() - downSinceMs) });
      downSinceMs = undefined;
      cancelProbe?.();
    }
    const bytes = log.walBytes?.() ?? 0;
    const isLong = bytes > (terms.maxWalBytes ?? maxWalBytes);
    if (isLong && !walIsLong)
      journal.write("warn", "log.walGrows", { bytes, why: "another process reads the store and does not stop" });
    if (!isLong && walIsLong) journal.write("info", "log.walShrank", { bytes });
    walIsLong = isLong;
  }

  function failed(cause: unknown): void {
    if (!(cause instanceof LogUnavailable || cause instanceof LogFull)) return;
    failures += 1;
    if (downSinceMs !== undefined) return;
    downSinceMs = clock.mono();
    journal.write("error", "log.down", { because: cause instanceof LogFull ? "full" : "unavailable", cause });
    probeLater();
  }

  function probeLater(): void {
    if (log.probe === undefined || isResting || downSinceMs === undefined) return;
    cancelProbe = clock.after(probeMs, () => {
      log.probe?.().then(succeeded, probeLater);
    });
  }

  /** What a write comes to says whether the log takes writes. */
  function write<Input extends readonly unknown[], Answer>(call: (...input: Input) => Promise<Answer>) {
    return async (...input: Input): Promise<Answer> => {
      writes += 1;
      try {
        const answer = await call(...input);
        succeeded();
        return answer;
      } catch (cause) {
        failed(cause);
        throw cause;
      } finally {
        writes -= 1;
      }
    };
  }

  function read<Input extends readonly unknown[], Answer>(call: (...input: Input) => Promise<Answer>) {
    return (...input: Input): Promise<Answer> => {
      reads += 1;
      return call(...input);
    };
  }

  function tellCorrupt(stream: StreamKey, { corrupt = [] }: Slice): void {
    const fresh = corrupt.filter((offset) => !knownCorrupt.has(`${stream}\n${offset}`));
    if (fresh.length === 0) return;
    if (knownCorrupt.size + fresh.length > maxKnownCorrupt) knownCorrupt.clear();
    for (const offset of fresh) knownCorrupt.add(`${stream}\n${offset}`);
    corruptEvents += fresh.length;
    const range = { from: fresh[0], upto: fresh.at(-1), events: fresh.length };
    journal.write("error", "log.corrupt", { ...streamOwner(stream), ...range });
  }

  return {
    isShared: log.isShared,
    append: write((append) => log.append(append)),
    claim: write((tenantId, runId) => log.claim(tenantId, runId)),
    saveCursors: write((cursors) => log.saveCursors(cursors)),
    quarantine: write((entry) => log.quarantine(entry)),
    putDocument: write((put) => log.putDocument(put)),
    moveOutbox: write((move) => log.moveOutbox(move)),
    retire: write((ask) => log.retire(ask)),
    compact: write((ask) => log.compact(ask)),
    deadLetters: read((query) => log.deadLetters(query)),
    documents: read((query) => log.documents(query)),
    outbox: read((query) => log.outbox(query)),
    position: read((stream) => log.position(stream)),
    living: read((stream) => log.living(stream)),
    run: read((tenantId, runId) => log.run(tenantId, runId)),
    runs: read((query) => log.runs(query)),
    readRun: read((tenantId, runId, afterSeq, limit) => log.readRun(tenantId, runId, afterSeq, limit)),
    knownKeys: read((owner, names) => log.knownKeys(owner, names)),
    approval: read((tenantId, approvalId, stream) => log.approval(tenantId, approvalId, stream)),
    cursor: read((stream, device) => log.cursor(stream, device)),
    ledger: read((stream) => log.ledger(stream)),
    watch: (listener) => log.watch(listener),
    ...(follow && { follow }),
    close: () => log.close(),
    read: read(async (stream, after, limit) => {
      const slice = await log.read(stream, after, limit);
      if (slice.corrupt !== undefined) tellCorrupt(stream, slice);
      return slice;
    }),
    health: () => ({
      logUp: downSinceMs === undefined ? 1 : 0,
      logFailures: failures,
      logWrites: writes,
      logReads: reads,
      corruptEvents,
      logWalBytes: log.walBytes?.() ?? 0,
    }),
    rest: () => {
      isResting = true;
      cancelProbe?.();
    },
  };
}
