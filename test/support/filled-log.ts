/** A log with something of everything in it, and a picture of all that it answers: what a copy must answer as well. */
import { asDeviceId, asRunId, asUserId, type RunId, type StreamKey, streamKey } from "../../protocol/ids.ts";
import type { EventLog, NewEvent } from "../../src/log/event-log.ts";
import {
  alice,
  bob,
  event,
  keyed,
  newRun,
  next,
  run1,
  run2,
  started,
  tenant,
  wide,
  write,
} from "../../src/testing/event-log/sample.ts";

const device = asDeviceId("phone");
const others = Array.from({ length: 12 }, (_, at) => streamKey(tenant, asUserId(`user ${at} ä/{}\u2028`)));
export const streams: readonly StreamKey[] = [alice, bob, ...others];
const runs: readonly RunId[] = [run1, run2, ...others.map((_, at) => asRunId(`run-of-${at}`))];
const kinds = ["flags", "subscription"];

const delta = (at: number): NewEvent =>
  event(`delta ${at}`, {
    type: "agent_delta",
    data: JSON.stringify({ messageId: "m", channel: "text", text: `word ${at} ` }),
  });

export async function fill(log: EventLog): Promise<void> {
  const old = { time: "2026-11-01T00:00:00.000Z" };
  await write(log, { stream: bob, events: [event("old", old), event("older", old)] });
  await write(log, { stream: bob, events: [keyed("kept")] });
  await write(log, started(newRun(), [event("start", { threadId: "t" }), keyed("one"), keyed("two")]));
  await write(
    log,
    next(
      3,
      Array.from({ length: 90 }, (_, at) => delta(at)),
    ),
  );
  await write(log, { ...next(93, [event("ask")], { approvals: ["yes-or-no"] }), escalate: [0] });
  await log.claim(tenant, run1);
  await write(log, { ...next(94, [event("end", { repaired: true })], { ended: "completed" }), escalate: [0] });
  await write(log, started(newRun(run2, bob, { deadlineMs: 5, parentRunId: run1, threadId: "t2" })));
  for (const [at, stream] of others.entries()) {
    const events = Array.from({ length: at * 7 + 1 }, (_, index) => event(`${at}.${index} \u{1f600}`));
    const ended = at % 2 === 0 ? undefined : "failed";
    const create = newRun(asRunId(`run-of-${at}`), stream);
    await write(log, { stream, events, run: { tenantId: tenant, runId: create.runId, expectedSeq: 0, create, ended } });
  }
  await log.saveCursors([
    { stream: alice, device, offset: 40 },
    { stream: bob, device, offset: 1 },
  ]);
  const refused = { type: "agent_thinking", data: "{}", reason: "illegal \n here" };
  await log.quarantine({
    stream: alice,
    tenantId: tenant,
    runId: run1,
    ...refused,
    time: old.time.replace("01T", "20T"),
  });
  await log.putDocument({ kind: "flags", key: "all", value: '{"a":1}' });
  await log.putDocument({ kind: "flags", key: "all", value: '{"a":2}' });
  await log.putDocument({ kind: "subscription", key: "alice/1", value: "{}" });
  const { rows } = await log.outbox({ limit: 10 });
  const [row] = rows;
  if (row !== undefined) await log.moveOutbox({ ...row, to: "trying", note: "a\nnote" });
  await log.retire({ before: "2026-11-10T00:00:00.000Z", now: "2026-11-21T11:00:00.000Z", maxEvents: 1_000 });
  while ((await log.compact({ endedBefore: "2026-11-22T00:00:00.000Z", maxEvents: 1_000 })).more);
}

/** Everything that a reader can ask, but for page marks, which are each store's own. */
export async function pictureOf(log: EventLog): Promise<unknown> {
  const ofStreams: unknown[] = [];
  for (const stream of streams) {
    const [cursor, ledger] = [await log.cursor(stream, device), await log.ledger(stream)];
    const rest = await log.read(stream, 50, wide);
    const keys = [...(await log.knownKeys({ stream }, ["kept", "one"]))];
    ofStreams.push([await log.read(stream, 0, wide), rest, await log.living(stream), cursor, ledger, keys]);
    ofStreams.push((await log.runs({ stream, limit: 10 })).runs);
  }
  const ofRuns: unknown[] = [];
  for (const runId of runs) {
    const keys = [...(await log.knownKeys({ tenantId: tenant, runId }, ["one", "two", "three"]))];
    ofRuns.push([await log.run(tenant, runId), await log.readRun(tenant, runId, 20, wide), keys]);
  }
  const documents: unknown[] = [];
  for (const kind of kinds) documents.push(await log.documents({ kind, limit: 10 }));
  const letters = (await log.deadLetters({ limit: 50 })).entries;
  const approval = await log.approval(tenant, "yes-or-no");
  const [listed, outbox] = [(await log.runs({ limit: 50 })).runs, (await log.outbox({ limit: 50 })).rows];
  return { ofStreams, ofRuns, documents, letters, approval, listed, outbox, ledger: await log.ledger() };
}
