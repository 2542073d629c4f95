/**
 * Retention in the PostgreSQL log. Where a stream is cut is decided here (`retire-rules`) on what one statement said, and
 * done by another if the stream's beginning still stands there: two nodes that sweep at once never cut twice, and no lock is
 * held between the two. What is behind the cut is deleted afterwards, a bounded number of rows at a time.
 */
import { streamOwner, type Offset, type StreamKey } from "../../../protocol/ids.ts";
import type { Retire, Retired, RetiredRange } from "../housekeeping.ts";
import { cutOf, retiredReason, type RunSpan } from "../retire-rules.ts";
import type { Statement } from "./connection.ts";

/** What looking at a stream costs, in deleted rows. */
const streamCost = 10;
/** After every time: the streams are through, and rubbish is left. */
const streamsDone = "~";
/** Runs that are looked at for one cut. */
const maxSpans = 5_000;
/** One statement deletes so many rows at most. */
const maxDeleted = 2_000;

type Ask = <Row>(statement: Statement) => Promise<Row[]>;

interface Candidate {
  readonly oldest: string;
  readonly stream: StreamKey;
  readonly first: Offset;
  readonly old_upto: Offset;
}

interface Cut {
  readonly range: RetiredRange | undefined;
  /** There is more of this stream that is old. */
  readonly isCutShort: boolean;
}

export function postgresRetirement(schema: string, ask: Ask): (retire: Retire) => Promise<Retired> {
  async function nextStream(before: string, time: string, stream: string): Promise<Candidate | undefined> {
    const [found] = await ask<Candidate>({
      name: `${schema}.retireNext`,
      text: `SELECT s.oldest, s.stream, s.first, ${schema}.old_upto(s.stream, s.first, s.head, $1) AS old_upto
        FROM ${schema}.streams s WHERE s.oldest IS NOT NULL AND s.oldest < $1 AND (s.oldest, s.stream) > ($2, $3)
        ORDER BY s.oldest, s.stream LIMIT 1`,
      values: [before, time, stream],
    });
    return found;
  }

  async function spansOf({ stream, old_upto: oldUpto }: Candidate): Promise<{ spans: RunSpan[]; oldUpto: Offset }> {
    const rows = await ask<{ first_offset: number; last_offset: number; ended: RunSpan["ended"] | null }>({
      name: `${schema}.retireRuns`,
      text: `SELECT first_offset, last_offset, ended FROM ${schema}.runs WHERE stream = $1 AND first_offset <= $2
        ORDER BY first_offset LIMIT ${maxSpans}`,
      values: [stream, oldUpto],
    });
    const spans = rows.map(({ first_offset: firstOffset, last_offset: lastOffset, ended }) => ({
      ...{ firstOffset, lastOffset, ended: ended ?? undefined },
    }));
    // Of what comes behind the last that was looked at nothing is known.
    const last = spans.at(-1);
    return { spans, oldUpto: spans.length < maxSpans || last === undefined ? oldUpto : last.firstOffset - 1 };
  }

  async function retireStream(candidate: Candidate, { now, maxEvents }: Retire): Promise<Cut> {
    const { stream, first } = candidate;
    const { spans, oldUpto } = await spansOf(candidate);
    const cut = cutOf(first, oldUpto, spans, maxEvents);
    const values = [stream, streamOwner(stream).tenantId, first, cut, now, retiredReason];
    const [done] = await ask<{ dead: number | null }>({
      name: `${schema}.retire`,
      text: `SELECT ${schema}.retire($1, $2, $3, $4, $5, $6) AS dead`,
      values,
    });
    const dead = done?.dead ?? undefined;
    if (dead === undefined || cut < first) return { range: undefined, isCutShort: false };
    return { range: { stream, from: first, upto: cut, deadLettered: dead }, isCutShort: cut < candidate.old_upto };
  }

  async function clean(limit: number): Promise<number> {
    let total = 0;
    while (total < limit) {
      const [row] = await ask<{ done: number }>({
        ...{ name: `${schema}.clean`, text: `SELECT ${schema}.clean($1) AS done` },
        values: [Math.min(limit - total, maxDeleted)],
      });
      if (row === undefined || row.done === 0) break;
      total += row.done;
    }
    return total;
  }

  async function forgetLetters(before: string, limit: number): Promise<number> {
    const rows = await ask({
      name: `${schema}.forgetLetters`,
      text: `DELETE FROM ${schema}.letters l USING (SELECT stream, place FROM ${schema}.letters WHERE time < $1
        ORDER BY time LIMIT $2 FOR UPDATE SKIP LOCKED) o WHERE l.stream = o.stream AND l.place = o.place RETURNING 1`,
      values: [before, limit],
    });
    return rows.length;
  }

  return async (retire) => {
    const { before, maxEvents, after } = retire;
    let left = maxEvents - (await forgetLetters(before, maxEvents));
    left -= await clean(left);
    const streams: RetiredRange[] = [];
    let [time, stream] = placeOf(after);
    while (left > 0 && time !== streamsDone) {
      const candidate = await nextStream(before, time, stream);
      if (candidate === undefined) {
        time = streamsDone;
        break;
      }
      left -= streamCost;
      const { range, isCutShort } = await retireStream(candidate, retire);
      if (range !== undefined) streams.push(range);
      // Cut short, it is the next one too.
      if (!isCutShort) [time, stream] = [candidate.oldest, candidate.stream];
    }
    if (time === streamsDone && left > 0) left -= await clean(left);
    return { streams, next: time === streamsDone && left > 0 ? null : `${time} ${stream}` };
  };
}

/** The place of the stream that a sweep has behind it. */
function placeOf(after: string | undefined): [time: string, stream: string] {
  if (after === undefined) return ["", ""];
  const space = after.indexOf(" ");
  return [after.slice(0, space), after.slice(space + 1)];
}
