/**
 * Retention in the PostgreSQL log. Where a stream is cut is decided here (`retire-rules`) on what one statement said, and
 * done by another if the stream's beginning still stands there: two nodes that sweep at once never cut twice, and no lock is
 * held between the two. What is behind the cut is deleted afterwards, a bounded number of rows at a time.
 */
import { streamOwner, type Offset, type StreamKey } from "../../../protocol/ids.ts";
import { type Retire, type Retired, type RetiredRange, tierKind } from "../housekeeping.ts";
import { cutOf, latestOf, momentOf, retiredReason, type RunSpan } from "../retire-rules.ts";
import type { Statement } from "./connection.ts";

/** What looking at a stream costs, in deleted rows. */
const streamCost = 10;
/** The same of one that is passed over, as its owner's tier keeps what it has. */
const passedCost = 1;
/** Streams that are looked at together for one whose moment has come. */
const pageStreams = 100;
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

/** What comes next in a sweep. */
interface Next {
  /** Undefined: there is none among those that were looked at. */
  readonly candidate: Candidate | undefined;
  /** Behind what was passed over; undefined: the streams are through. */
  readonly place: Place | undefined;
  readonly passed: number;
}

type Place = readonly [time: string, stream: string];

interface Cut {
  readonly range: RetiredRange | undefined;
  /** There is more of this stream that is old. */
  readonly isCutShort: boolean;
}

export function postgresRetirement(schema: string, ask: Ask): (retire: Retire) => Promise<Retired> {
  async function nextStream(ask: Retire, place: Place): Promise<Next> {
    if (ask.tiers !== undefined) return nextByTier(ask, place);
    const candidate = await nextOlder(ask.before, place);
    return { candidate, place: candidate && place, passed: 0 };
  }

  async function nextByTier(retire: Retire, place: Place): Promise<Next> {
    const rows = await ask<Omit<Candidate, "old_upto"> & { head: Offset; claim: string | null }>({
      name: `${schema}.retireTiered`,
      text: `SELECT s.oldest, s.stream, s.first, s.head, d.value AS claim FROM ${schema}.streams s
        LEFT JOIN ${schema}.documents d ON d.kind = $4 AND d.key = s.stream
        WHERE s.oldest IS NOT NULL AND s.oldest < $1 AND (s.oldest, s.stream) > ($2, $3)
        ORDER BY s.oldest, s.stream LIMIT ${pageStreams}`,
      values: [latestOf(retire), ...place, tierKind],
    });
    let passed: Place = place;
    for (const [at, { oldest, stream, first, head, claim }] of rows.entries()) {
      const before = momentOf(retire, stream, claim ?? undefined);
      if (before !== undefined && oldest < before) {
        const [found] = await ask<Pick<Candidate, "old_upto">>({
          name: `${schema}.retireUpto`,
          text: `SELECT ${schema}.old_upto($1, $2, $3, $4) AS old_upto`,
          values: [stream, first, head, before],
        });
        return {
          candidate: { oldest, stream, first, old_upto: found?.old_upto ?? first - 1 },
          place: passed,
          passed: at,
        };
      }
      passed = [oldest, stream];
    }
    return { candidate: undefined, place: rows.length < pageStreams ? undefined : passed, passed: rows.length };
  }

  async function nextOlder(before: string, place: Place): Promise<Candidate | undefined> {
    const [found] = await ask<Candidate>({
      name: `${schema}.retireNext`,
      text: `SELECT s.oldest, s.stream, s.first, ${schema}.old_upto(s.stream, s.first, s.head, $1) AS old_upto
        FROM ${schema}.streams s WHERE s.oldest IS NOT NULL AND s.oldest < $1 AND (s.oldest, s.stream) > ($2, $3)
        ORDER BY s.oldest, s.stream LIMIT 1`,
      values: [before, ...place],
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
      const { candidate, place, passed } = await nextStream(retire, [time, stream]);
      [time, stream] = place ?? [streamsDone, ""];
      left -= passed * passedCost;
      if (candidate === undefined) continue;
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
function placeOf(after: string | undefined): Place {
  if (after === undefined) return ["", ""];
  const space = after.indexOf(" ");
  return [after.slice(0, space), after.slice(space + 1)];
}
