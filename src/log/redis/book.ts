/** What stands beside a stream's events in the Redis log, as `transfer` reads and writes it when a store moves. */
import { type DeviceId, type RunKey, runKey, type StreamKey } from "../../../protocol/ids.ts";
import { parseTrusted } from "../../../protocol/json.ts";
import type { DeadLetter } from "../dead-letter.ts";
import type { CopiedKey, CopiedRun, StreamBook } from "../transfer.ts";
import { knownKey } from "./appends.ts";
import { outboxRowOf, rowOf } from "./outbox.ts";
import { placedRun } from "./run-record.ts";

/** Sends a command to the server that has a key. */
export type Ask = (key: string, ...words: readonly string[]) => Promise<unknown>;

export const fieldsOfRun = ["create", "fence", "seq", "first", "last", "ended", "place", "entry", "nonce", "endedAt"];

/** A hash as its fields. */
export async function hashOf(ask: Ask, key: string): Promise<Map<string, string>> {
  const words = (await ask(key, "HGETALL", key)) as readonly string[];
  const found = new Map<string, string>();
  for (let at = 0; at + 1 < words.length; at += 2) found.set(words[at] ?? "", words[at + 1] ?? "");
  return found;
}

/** `meta`: the name of the stream's hash, with which the names of its other keys begin. */
export async function readBook(ask: Ask, stream: StreamKey, meta: string): Promise<StreamBook> {
  const part = (name: string): string => `${meta.slice(0, -"meta".length)}${name}`;
  const counters = await hashOf(ask, meta);
  const number = (name: string, otherwise: number): number => Number(counters.get(name) ?? otherwise);
  const named = (await ask(meta, "ZRANGE", part("runs"), "0", "-1")) as readonly RunKey[];
  const runs: CopiedRun[] = [];
  const keys: CopiedKey[] = keysIn(await hashOf(ask, part("k:")), undefined);
  for (const run of named) {
    const words = (await ask(meta, "HMGET", part(`r:${run}`), ...fieldsOfRun)) as readonly (string | null)[];
    const { record, place, endedAt } = placedRun(
      words.map((word) => word ?? ""),
      0,
    );
    const approvals = (await ask(meta, "SMEMBERS", part(`a:${run}`))) as readonly string[];
    runs.push({ place, record, approvals, compactAt: endedAt === "" ? undefined : endedAt, compacted: 0 });
    keys.push(...keysIn(await hashOf(ask, part(`k:${run}`)), record.firstOffset));
  }
  const cursors = await hashOf(ask, part("cur"));
  const outbox = [...(await hashOf(ask, part("ob")))].map(([offset, text]) => rowOf(stream, Number(offset), text));
  const letters = [...(await hashOf(ask, part("l")))];
  const lost = (await ask(meta, "ZRANGE", part("lost"), "0", "-1")) as readonly string[];
  return {
    ...{
      stream,
      first: number("first", 1),
      head: number("head", 0),
      acked: number("acked", 0),
      dead: number("dead", 0),
    },
    lost: lost.map(Number),
    runs,
    keys,
    cursors: [...cursors].map(([device, offset]) => ({ device: device as DeviceId, offset: Number(offset) })),
    outbox: outbox.toSorted((one, other) => one.place - other.place),
    letters: letters
      .map(([place, text]) => ({ place: Number(place), letter: parseTrusted(text) as DeadLetter }))
      .toSorted((one, other) => one.place - other.place),
  };
}

function keysIn(found: ReadonlyMap<string, string>, run: number | undefined): CopiedKey[] {
  return [...found].map(([name, text]) => ({ run, name, ...knownKey(text) }));
}

/** The commands that write a book, but for the stream's own hash. The first takes away what an earlier try has left. */
export function bookCommands(book: StreamBook, meta: string): (readonly string[])[] {
  const part = (name: string): string => `${meta.slice(0, -"meta".length)}${name}`;
  const runs = book.runs.map((run) => ({ ...run, key: runKey(run.record.tenantId, run.record.runId) }));
  const ofRuns = runs.flatMap(({ key }) => ["r:", "o:", "k:", "a:"].map((kind) => part(`${kind}${key}`)));
  const parts = ["x", "m", "runs", "living", "k:", "kz", "ob", "obz", "obp", "cur", "l", "lz", "lost"].map(part);
  const commands: (readonly string[])[] = [["DEL", meta, ...parts, ...ofRuns]];
  const runAt = new Map(runs.map(({ record, key }) => [record.firstOffset, key]));
  for (const { run, name, digest, seq, offset } of book.keys) {
    const owner = run === undefined ? "" : (runAt.get(run) ?? "");
    commands.push(["HSET", part(`k:${owner}`), name, `${seq}:${offset}:${digest}`]);
    if (run === undefined) commands.push(["ZADD", part("kz"), String(offset), name]);
  }
  for (const { device, offset } of book.cursors) commands.push(["HSET", part("cur"), device, String(offset)]);
  for (const { place, row } of book.outbox) {
    const { offset, eventId, type, runId, threadId, time, state, note, version } = row;
    const fixed = outboxRowOf({ id: eventId, type, threadId, time }, runId);
    commands.push(["HSET", part("ob"), String(offset), `${place}\n${version}\n${state}\n${fixed}\n${note}`]);
    commands.push(["ZADD", part("obz"), String(offset), String(offset)]);
    commands.push(["ZADD", part("obp"), String(place), String(offset)]);
  }
  for (const { place, letter } of book.letters) {
    commands.push(["HSET", part("l"), String(place), JSON.stringify(letter)]);
    commands.push(["ZADD", part("lz"), String(place), String(place)]);
  }
  for (const offset of book.lost) commands.push(["ZADD", part("lost"), String(offset), String(offset)]);
  for (const { record, approvals, key } of runs) {
    commands.push(["ZADD", part("runs"), String(record.firstOffset), key]);
    if (record.ended === undefined) commands.push(["ZADD", part("living"), String(record.firstOffset), key]);
    if (approvals.length > 0) commands.push(["SADD", part(`a:${key}`), ...approvals]);
  }
  return commands;
}
