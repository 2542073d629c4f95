/**
 * A Redis store as the target of a move, and as its source. A stream's own hash is written last: without it the stream is
 * not there, and the next try replaces what this one has left. Indexes are written before it, as appends do.
 */
import { type Offset, runKey, type StreamKey, streamOwner } from "../../../protocol/ids.ts";
import { type Clock, systemClock } from "../../platform/clock.ts";
import type { StoredDocument } from "../documents.ts";
import type { NewRun } from "../event-log.ts";
import { coverOf, type Kept } from "../merged-delta.ts";
import { type CopiedRun, type LogTarget, markKey, markKind, type StreamBook } from "../transfer.ts";
import { type Ask, bookCommands, hashOf, readBook } from "./book.ts";
import { documentsOf } from "./documents.ts";
import { epochOf, renamedHistory } from "./identity.ts";
import { IndexCalls } from "./index-calls.ts";
import { listedScript, listScript } from "./index-scripts.ts";
import { keptOf, mergedOf, rawRecords, recordOf } from "./record.ts";
import { Servers } from "./servers.ts";
import { StreamCalls } from "./stream-calls.ts";
import { readScript } from "./stream-scripts.ts";
import { redisTerms } from "./terms.ts";

const maxWaitingBytes = 64 * 2 ** 20;
const pageEvents = 512;
const pageBytes = 2 ** 20;
const pageStreams = 256;
const pageDocuments = 1_000;
/** Commands that are on their way together. */
const maxTogether = 500;
/** Behind a word, first, head and whether there is more. */
const recordsAt = 4;

/** Fails: InvalidConfig, LogUnavailable. */
export async function openRedisTransfer(url: string, clock: Clock = systemClock): Promise<LogTarget> {
  const terms = redisTerms({ url });
  const servers = await Servers.open({ ...terms, clock, maxWaitingBytes });
  const { keys } = servers;
  const index = new IndexCalls(servers);
  const streams = new StreamCalls(servers);
  const ask: Ask = async (key, ...words) => (await servers.line("write", key)).ask(words);
  const all = async (key: string, commands: readonly (readonly string[])[]): Promise<void> => {
    for (let at = 0; at < commands.length; at += maxTogether)
      await Promise.all(commands.slice(at, at + maxTogether).map((words) => ask(key, ...words)));
  };
  const { history } = await servers.line("write", keys.store);
  const epochs = new Set((await servers.masters()).map((line) => epochOf(line.history)));
  epochs.delete(epochOf(history));
  const partOf = (meta: string, name: string): string => `${meta.slice(0, -"meta".length)}${name}`;

  async function* kinds(): AsyncIterable<string> {
    const [before, behind] = [`${terms.name}:{documents:`, "}:values"];
    for (const line of await servers.masters()) {
      for (let from = "0", isFirst = true; isFirst || from !== "0"; isFirst = false) {
        const answer = await line.ask(["SCAN", from, "MATCH", `${before}*${behind}`, "COUNT", "1000"]);
        const [next, found] = answer as [string, readonly string[]];
        for (const key of found) yield decodeURIComponent(key.slice(before.length, -behind.length));
        from = next;
      }
    }
  }

  async function* documents(): AsyncIterable<readonly StoredDocument[]> {
    const seen = new Set<string>();
    for await (const kind of kinds()) {
      // A scan may name a key twice.
      if (kind === markKind || seen.has(kind)) continue;
      seen.add(kind);
      for (let after = ""; ; ) {
        const page = await documentsOf(index, { kind, after, limit: pageDocuments });
        const last = page.at(-1);
        if (last === undefined) break;
        yield page;
        after = last.key;
      }
    }
  }

  async function events(stream: StreamKey, after: Offset): Promise<readonly Kept[]> {
    for (let from = after; ; ) {
      const { words } = await streams.read(stream, readScript, String(from), String(pageEvents), String(pageBytes));
      const first = Number(words[1]);
      const raws = rawRecords(words, recordsAt);
      const page = raws.flatMap((raw) => keptOf(stream, raw) ?? []).filter(({ event }) => event.offset >= first);
      const last = raws.at(-1);
      if (page.length > 0 || last === undefined) return page;
      from = last.offset;
    }
  }

  /** Announced as an append announces them, in places of their own, so that a second try changes nothing. */
  async function announce({ stream, runs, outbox, letters }: StreamBook): Promise<void> {
    await index.write(keys.streams, listScript, stream);
    const entries = runs.map((run) => ({ run, entry: entryOf(run, stream) }));
    for (const { run, entry } of entries) {
      const { tenantId, runId } = run.record;
      const at = keys.run(tenantId, runId);
      await ask(at, "HSET", at, "stream", stream, "nonce", nonceOf(run));
      for (const id of run.approvals) {
        const approval = keys.approval(tenantId, id);
        await ask(approval, "ZADD", partOf(approval, "all"), "0", `${runKey(tenantId, runId)}\n${stream}`);
      }
      await ask(keys.runs, "ZADD", partOf(keys.runs, "all"), String(run.place), entry);
      const [set, score] = run.record.ended === undefined ? ["living", run.place] : ["ended", msOf(run.compactAt)];
      if (run.record.ended === undefined || run.compactAt !== undefined)
        await ask(keys.runs, "ZADD", partOf(keys.runs, set), String(score), entry);
    }
    for (const { place, row } of outbox) {
      const entry = `${place}\n${msOf(row.time)}\n${stream}`;
      await ask(keys.outbox, "ZADD", partOf(keys.outbox, "all"), String(place), entry);
    }
    for (const { place, letter } of letters) {
      const entry = `${place}\n${msOf(letter.time)}\n${stream}`;
      await ask(keys.letters, "ZADD", partOf(keys.letters, "all"), String(place), entry);
      await ask(keys.letters, "ZADD", partOf(keys.letters, "times"), String(msOf(letter.time)), entry);
    }
  }

  return {
    epoch: epochOf(history),
    otherEpochs: [...epochs],
    count: async () => {
      let [count, total] = [0, 0];
      for await (const stream of listed()) {
        const key = keys.meta(stream);
        const [first, head] = (await ask(key, "HMGET", key, "first", "head")) as readonly (string | null)[];
        count += 1;
        total += Number(head ?? 0) + 1 - Number(first ?? 1);
      }
      return { streams: count, events: total };
    },
    streams: listed,
    book: (stream) => readBook(ask, stream, keys.meta(stream)),
    events,
    documents,
    close: async () => servers.close(),
    mark: async () => {
      const found = await hashOf(ask, partOf(keys.documents(markKind), "values"));
      return found.get(markKey)?.replace(/^\d+\n/, "");
    },
    setMark: (value) => writeDocuments([{ kind: markKind, key: markKey, value, version: 1 }]),
    isEmpty: async () => {
      for await (const _ of listed()) return false;
      for await (const _ of documents()) return false;
      return true;
    },
    begin: async (epoch) => {
      const found = await hashOf(ask, keys.store);
      for (const [field, text] of found)
        if (field.startsWith("node:")) await ask(keys.store, "HSET", keys.store, field, renamedHistory(text, epoch));
      // The next lines are settled on it.
      servers.drop();
    },
    has: async (stream) => Number(await ask(keys.meta(stream), "EXISTS", keys.meta(stream))) > 0,
    write: async (book, pages) => {
      const meta = keys.meta(book.stream);
      await announce(book);
      await all(meta, bookCommands(book, meta));
      const endedAt = new Map<string, string>();
      for await (const page of pages) {
        await all(
          meta,
          page.flatMap((kept) => eventCommands(book.stream, meta, kept)),
        );
        for (const { event } of page) if (event.runId !== undefined) endedAt.set(event.runId, event.time);
      }
      await all(
        meta,
        book.runs.map((run) => runCommand(run, book.stream, meta, endedAt.get(run.record.runId))),
      );
      const letter = book.letters.findLast((one) => one.letter.kind === "retired")?.place;
      const { first, head, acked, dead } = book;
      const line = await servers.line("write", meta);
      const counters = { epoch: line.history, first, head, acked, dead };
      const fields = Object.entries(letter === undefined ? counters : { ...counters, letter });
      await line.ask(["HSET", meta, ...fields.flatMap(([name, value]) => [name, String(value)])]);
    },
    writeDocuments,
    finish: async () => {
      for (const key of [keys.runs, keys.outbox, keys.letters]) {
        const [, last] = (await ask(key, "ZREVRANGE", partOf(key, "all"), "0", "0", "WITHSCORES")) as readonly string[];
        if (last !== undefined) await ask(key, "HSET", key, "last", String(Number(last)));
      }
    },
  };

  async function* listed(): AsyncIterable<StreamKey> {
    for (let place = "0"; ; ) {
      const page = await index.read(keys.streams, listedScript, place, String(pageStreams));
      for (let at = 0; at + 1 < page.length; at += 2) {
        const stream = (page[at] ?? "") as StreamKey;
        // One that is listed was perhaps never written.
        if (Number(await ask(keys.meta(stream), "EXISTS", keys.meta(stream))) > 0) yield stream;
        place = page[at + 1] ?? place;
      }
      if (page.length < 2 * pageStreams) return;
    }
  }

  async function writeDocuments(found: readonly StoredDocument[]): Promise<void> {
    for (const { kind, key, value, version } of found) {
      const name = keys.documents(kind);
      await all(name, [
        ["HSET", partOf(name, "values"), key, `${version}\n${value}`],
        ["ZADD", partOf(name, "names"), "0", key],
      ]);
    }
  }
}

const msOf = (time: string | undefined): number => Date.parse(time ?? "") || 0;
const nonceOf = ({ place }: CopiedRun): string => `moved-${place}`;

function entryOf({ place, record }: CopiedRun, stream: StreamKey): string {
  return `${place}\n${msOf(record.startedAt)}\n${runKey(record.tenantId, record.runId)}\n${stream}`;
}

function eventCommands(stream: StreamKey, meta: string, kept: Kept): (readonly string[])[] {
  const { event, cuts } = kept;
  const part = (name: string): string => `${meta.slice(0, -"meta".length)}${name}`;
  const offset = String(event.offset);
  const commands: (readonly string[])[] = [];
  if (cuts === undefined) {
    const text = recordOf(stream, event, event.runId, event.seq);
    commands.push(["XADD", part("x"), `${offset}-0`, "o", offset, "t", event.time, "e", text]);
  } else commands.push(["ZADD", part("m"), offset, mergedOf(stream, kept)]);
  if (event.runId === undefined) return commands;
  const run = runKey(streamOwner(stream).tenantId, event.runId);
  const cover = coverOf(cuts);
  const covered = Array.from({ length: cover }, (_, at) => String(event.offset + 1 - cover + at));
  commands.push(["RPUSH", part(`o:${run}`), ...covered]);
  return commands;
}

function runCommand(run: CopiedRun, stream: StreamKey, meta: string, lastAt: string | undefined): readonly string[] {
  const { fence, seq, firstOffset, lastOffset, ended, ...create } = run.record;
  const key = `${meta.slice(0, -"meta".length)}r:${runKey(create.tenantId, create.runId)}`;
  const fields = {
    ...{ create: JSON.stringify(create satisfies NewRun), fence, seq, first: firstOffset, last: lastOffset },
    ...{ place: run.place, entry: entryOf(run, stream), nonce: nonceOf(run) },
    ...(ended !== undefined && { ended, endedAt: lastAt ?? create.startedAt }),
  };
  return ["HSET", key, ...Object.entries(fields).flatMap(([name, value]) => [name, String(value)])];
}
