/**
 * A checksum of a stream as users see it, whatever keeps it: every event with its place, and all that belongs to the
 * stream. `copy-log` compares both sides of a move by it. Counters that only an engine's own housekeeping uses are left out.
 */
import { createHash, type Hash } from "node:crypto";
import type { StreamKey } from "../../protocol/ids.ts";
import type { StoredDocument } from "./documents.ts";
import type { LogSource, StreamBook } from "./transfer.ts";

export interface StreamDigest {
  readonly sha256: string;
  readonly events: number;
}

export async function digestOf(source: LogSource, stream: StreamKey): Promise<StreamDigest> {
  const hash = createHash("sha256");
  for (const line of linesOf(await source.book(stream))) put(hash, line);
  let events = 0;
  for (let after = 0; ; ) {
    const page = await source.events(stream, after);
    for (const { event, cuts } of page) {
      const { id, type, time, data, threadId, repaired, traceparent, offset, runId, seq } = event;
      put(hash, ["event", offset, runId, seq, id, type, time, threadId, repaired, traceparent, cuts, data]);
    }
    events += page.length;
    const last = page.at(-1);
    if (last === undefined) return { sha256: hash.digest("hex"), events };
    after = last.event.offset;
  }
}

export async function documentsDigestOf(source: LogSource): Promise<string> {
  const lines: string[] = [];
  for await (const page of source.documents()) lines.push(...page.map(textOf));
  const hash = createHash("sha256");
  for (const line of lines.toSorted()) put(hash, [line]);
  return hash.digest("hex");
}

const textOf = ({ kind, key, value, version }: StoredDocument): string => JSON.stringify([kind, key, value, version]);

type Line = readonly unknown[];

/** A field that is undefined is written as null. */
function put(hash: Hash, line: Line): void {
  hash.update(`${JSON.stringify(line)}\n`);
}

function linesOf(book: StreamBook): readonly Line[] {
  const sorted = (name: string, lines: readonly Line[]): Line[] =>
    lines
      .map((line) => JSON.stringify(line))
      .toSorted()
      .map((line) => [name, line]);
  return [
    ["stream", book.stream, book.first, book.head, book.acked, book.dead, book.lost],
    ...sorted("run", book.runs.map(runLine)),
    ...sorted(
      "key",
      book.keys.map(({ run, name, digest, seq, offset }) => [run, name, digest, seq, offset]),
    ),
    ...sorted(
      "cursor",
      book.cursors.map(({ device, offset }) => [device, offset]),
    ),
    ...sorted(
      "outbox",
      book.outbox.map(({ place, row }) => [place, fields(row)]),
    ),
    ...sorted(
      "letter",
      book.letters.map(({ place, letter }) => [place, fields(letter)]),
    ),
  ];
}

const runLine = ({ place, record, approvals }: StreamBook["runs"][number]): Line => [
  place,
  fields(record),
  approvals.toSorted(),
];

/** Whatever the order in which an engine puts them. */
const fields = (value: object): Line =>
  Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .toSorted(([left], [right]) => (left < right ? -1 : 1));
