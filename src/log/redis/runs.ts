/** Runs of the Redis log: found by their ids, listed by place. Behind it stand the streams, which decide what is true. */
import { type RunId, type RunKey, runKey, type StreamKey, type TenantId } from "../../../protocol/ids.ts";
import type { Fence, Seq } from "../../../protocol/ids.ts";
import type { EventLog, RunRecord, RunsQuery } from "../event-log.ts";
import { Lru } from "../lru.ts";
import { pageBefore } from "../page-place.ts";
import { runsPage } from "../runs-page.ts";
import type { IndexCalls } from "./index-calls.ts";
import { announcedScript, endRunScript, newestScript, oldestScript, removeScript } from "./index-scripts.ts";
import { type PlacedRun, placedRun, placedRuns, type RunEntry, runEntry, runOfKey } from "./run-record.ts";
import type { StreamCalls } from "./stream-calls.ts";
import { claimScript, livingScript, openedScript, recordScript, runsScript } from "./stream-scripts.ts";
import type { Turns } from "./turns.ts";

/** Runs whose streams are remembered: a hint, which the stream confirms. */
const maxHints = 50_000;
/** Entries of an index that are looked at together. */
const pageEntries = 64;
/** An entry without its run: by now the append that was to follow can come no more. */
const deadEntryMs = 86_400_000;

export class Runs {
  readonly #index: IndexCalls;
  readonly #streams: StreamCalls;
  readonly #turns: Turns;
  readonly #now: () => number;
  readonly #hints = new Lru<RunKey, StreamKey>(maxHints);
  /** Of claims of runs whose stream nobody here knows: appends to them wait. */
  readonly #lookups = new Map<RunKey, Promise<unknown>>();

  constructor(index: IndexCalls, streams: StreamCalls, turns: Turns, now: () => number) {
    this.#index = index;
    this.#streams = streams;
    this.#turns = turns;
    this.#now = now;
  }

  /** An append names a run's stream. */
  hint(run: RunKey, stream: StreamKey): void {
    this.#hints.set(run, stream);
    this.#hints.trim();
  }

  /** What must be done before anything is appended to the run, or undefined. */
  pending(run: RunKey): Promise<unknown> | undefined {
    return this.#lookups.get(run);
  }

  async run(tenantId: TenantId, runId: RunId): Promise<PlacedRun | undefined> {
    return this.inItsStream(tenantId, runId, (stream) => this.recordIn(stream, runKey(tenantId, runId)));
  }

  async recordIn(stream: StreamKey, run: RunKey): Promise<PlacedRun | undefined> {
    const { words } = await this.#streams.read(stream, recordScript, run);
    return words[0] === "run" ? placedRun(words, 1) : undefined;
  }

  async claim(tenantId: TenantId, runId: RunId): Promise<{ readonly fence: Fence; readonly seq: Seq } | undefined> {
    const run = runKey(tenantId, runId);
    return this.inItsStream(tenantId, runId, async (stream) => {
      const { words } = await this.#turns.step(stream, () => this.#streams.write(stream, claimScript, run));
      return words[0] === "claimed" ? { fence: Number(words[1]), seq: Number(words[2]) } : undefined;
    });
  }

  async living(stream: StreamKey): ReturnType<EventLog["living"]> {
    const { epoch, words } = await this.#streams.read(stream, livingScript);
    const runs = placedRuns(words, 3).map(({ record }) => record);
    return { epoch, first: Number(words[1]), head: Number(words[2]), runs };
  }

  async approval(tenantId: TenantId, id: string, only?: StreamKey): Promise<RunRecord | undefined> {
    const entries = await this.#index.read(
      this.#index.keys.approval(tenantId, id),
      oldestScript,
      "all",
      "-1",
      "0",
      "-1",
    );
    const asked = entries.map(async (entry) => {
      const { run, stream } = runEntry(`\n\n${entry}`);
      if (only !== undefined && stream !== only) return undefined;
      const { words } = await this.#streams.read(stream, openedScript, run, id);
      return words[0] === "run" ? placedRun(words, 1) : undefined;
    });
    let newest: PlacedRun | undefined;
    for (const found of await Promise.all(asked))
      if (found !== undefined && found.place > (newest?.place ?? 0)) newest = found;
    return newest?.record;
  }

  async list(query: RunsQuery): ReturnType<EventLog["runs"]> {
    const before = pageBefore(query.before);
    const found =
      query.stream === undefined
        ? await this.#everywhere(query, before)
        : await this.#ofStream(query.stream, query, before);
    const { page, next } = runsPage(found, query.limit);
    return { runs: page.map(({ record }) => record), next };
  }

  /** Tells the index that a run lives no more: it is found by who compacts. */
  async ended(entry: string, endedAt: string): Promise<void> {
    await this.#index.write(this.#index.keys.runs, endRunScript, entry, String(Date.parse(endedAt)));
  }

  /** Asks the stream that is remembered, and, when the run is not there, the one that is announced. */
  async inItsStream<Answer>(
    tenantId: TenantId,
    runId: RunId,
    ask: (stream: StreamKey) => Promise<Answer | undefined>,
  ): Promise<Answer | undefined> {
    const run = runKey(tenantId, runId);
    const hint = this.#hints.get(run);
    if (hint !== undefined) {
      const answer = await ask(hint);
      if (answer !== undefined) return answer;
    }
    const lookup = this.#announcedIn(tenantId, runId);
    this.#lookups.set(run, lookup);
    const forget = (): void => {
      if (this.#lookups.get(run) === lookup) this.#lookups.delete(run);
    };
    lookup.then(forget, forget);
    const stream = await lookup;
    if (stream === undefined || stream === hint) return undefined;
    const answer = await ask(stream);
    if (answer !== undefined) this.hint(run, stream);
    return answer;
  }

  async #ofStream(stream: StreamKey, query: RunsQuery, before: number | undefined): Promise<Found[]> {
    const living = query.living === undefined ? "" : query.living ? "1" : "0";
    const args = [before === undefined ? "" : String(before), String(query.limit + 1), living, query.tenantId ?? ""];
    const { words } = await this.#streams.read(stream, runsScript, ...args);
    return placedRuns(words, 1).map(({ record }) => ({ place: record.firstOffset, record }));
  }

  async #everywhere({ tenantId, living, limit }: RunsQuery, before: number | undefined): Promise<Found[]> {
    const found: Found[] = [];
    const set = living === true ? "living" : "all";
    for (let top = before === undefined ? "" : String(before); ; ) {
      const page = await this.#index.read(this.#index.keys.runs, newestScript, set, top, String(pageEntries));
      const entries = page.map(runEntry);
      const asked = entries.filter(({ run }) => tenantId === undefined || runOfKey(run).tenantId === tenantId);
      const records = await Promise.all(asked.map((entry) => this.#recordOf(entry, living === true)));
      for (const one of records) {
        if (one === undefined || (living !== undefined && (one.record.ended === undefined) !== living)) continue;
        found.push({ place: one.place, record: one.record });
        if (found.length > limit) return found;
      }
      const last = entries.at(-1);
      if (last === undefined || page.length < pageEntries) return found;
      top = String(last.place);
    }
  }

  /** The run of an entry, if it is the one that the entry was written for. Tidies what is no more true. */
  async #recordOf(entry: RunEntry, isLiving: boolean): Promise<PlacedRun | undefined> {
    const found = await this.recordIn(entry.stream, entry.run);
    if (found?.entry === entry.entry) {
      const { record, endedAt } = found;
      if (isLiving && record.ended !== undefined) void this.ended(entry.entry, endedAt).catch(() => {});
      return found;
    }
    if (entry.writtenMs + deadEntryMs < this.#now()) void this.#remove(entry.entry).catch(() => {});
    return undefined;
  }

  async #remove(entry: string): Promise<void> {
    for (const set of ["all", "living"]) await this.#index.write(this.#index.keys.runs, removeScript, set, entry);
  }

  async #announcedIn(tenantId: TenantId, runId: RunId): Promise<StreamKey | undefined> {
    const [stream] = await this.#index.read(this.#index.keys.run(tenantId, runId), announcedScript);
    return stream as StreamKey | undefined;
  }
}

interface Found {
  readonly place: number;
  readonly record: RunRecord;
}
