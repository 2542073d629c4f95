/**
 * Moves a store into another, stream by stream, and reads both sides again to compare them. Whatever stops it, the next
 * try goes on where it was: a stream is there whole or not at all, and the target bears a mark that says whose copy it is.
 * Before it stands the command, behind it a source and a target (`transfer`).
 */
import type { StreamKey } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import { InvalidConfig } from "../errors.ts";
import type { Kept } from "./merged-delta.ts";
import type { LogSource, LogTarget } from "./transfer.ts";
import { digestOf, documentsDigestOf } from "./transfer-digest.ts";

export interface CopyProgress {
  readonly phase: "copying" | "verifying";
  readonly streams: number;
  readonly ofStreams: number;
  /** Of this phase, those that were there already included. */
  readonly events: number;
  readonly ofEvents: number;
}

export interface Copied {
  readonly streams: number;
  /** Of the streams, those that an earlier try had copied. */
  readonly before: number;
  readonly events: number;
  readonly documents: number;
}

interface Mark {
  readonly epoch: string;
  readonly state: "copying" | "done";
}

/**
 * Fails: InvalidConfig, when the target holds something else; CopyDiffers, when the two sides are not equal; what the
 * stores fail with.
 */
export async function copyLog(
  source: LogSource,
  target: LogTarget,
  hear: (progress: CopyProgress) => void = () => {},
): Promise<Copied> {
  await claimTarget(source, target);
  const of = await source.count();
  const total = { ofStreams: of.streams, ofEvents: of.events };
  let [streams, before, events] = [0, 0, 0];
  for await (const stream of source.streams()) {
    hear({ phase: "copying", streams, events, ...total });
    if (await target.has(stream)) before += 1;
    else await target.write(await source.book(stream), counted(pagesOf(source, stream)));
    streams += 1;
  }

  async function* counted(pages: AsyncIterable<readonly Kept[]>): AsyncIterable<readonly Kept[]> {
    for await (const page of pages) {
      yield page;
      events += page.length;
      hear({ phase: "copying", streams, events, ...total });
    }
  }

  let documents = 0;
  for await (const page of source.documents()) {
    await target.writeDocuments(page);
    documents += page.length;
  }
  await target.finish();
  const verified = await verify(source, target, (progress) => hear({ phase: "verifying", ...total, ...progress }));
  await target.setMark(JSON.stringify({ epoch: source.epoch, state: "done" } satisfies Mark));
  return { streams, before, events: verified, documents };
}

/** The two sides are not equal. */
export class CopyDiffers extends Error {
  override readonly name = "CopyDiffers";
}

/** The target is empty, or holds an unfinished copy of this very source: it bears our mark when this resolves. */
async function claimTarget(source: LogSource, target: LogTarget): Promise<void> {
  const text = await target.mark();
  const mark = text === undefined ? undefined : (parseTrusted(text) as Mark);
  if (mark === undefined && !(await target.isEmpty())) {
    throw new InvalidConfig({ setting: "to", message: "is not empty; right is a store that nothing was written to" });
  }
  if (mark?.state === "done") {
    throw new InvalidConfig({ setting: "to", message: "holds a finished copy already; right is an empty store" });
  }
  if (mark !== undefined && mark.epoch !== source.epoch) {
    throw new InvalidConfig({
      setting: "to",
      message: "holds an unfinished copy of another store; right is an empty one",
    });
  }
  await target.begin(source.epoch);
  await target.setMark(JSON.stringify({ epoch: source.epoch, state: "copying" } satisfies Mark));
}

async function* pagesOf(source: LogSource, stream: StreamKey): AsyncIterable<readonly Kept[]> {
  for (let after = 0; ; ) {
    const page = await source.events(stream, after);
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    after = last.event.offset;
  }
}

/** Fails: CopyDiffers. Says how many events both have. */
async function verify(
  source: LogSource,
  target: LogTarget,
  hear: (progress: { readonly streams: number; readonly events: number }) => void,
): Promise<number> {
  let [streams, events] = [0, 0];
  for await (const stream of source.streams()) {
    const [ours, theirs] = await Promise.all([digestOf(source, stream), digestOf(target, stream)]);
    if (ours.sha256 !== theirs.sha256) {
      throw new CopyDiffers(
        `the copy of the stream ${JSON.stringify(stream)} differs: ${ours.events} events there, ${theirs.events} here`,
      );
    }
    streams += 1;
    events += ours.events;
    hear({ streams, events });
  }
  const there = await target.count();
  if (there.streams !== streams) throw new CopyDiffers(`the copy has ${there.streams} streams, not ${streams}`);
  if ((await documentsDigestOf(source)) !== (await documentsDigestOf(target)))
    throw new CopyDiffers("the copies of the documents differ");
  return events;
}
