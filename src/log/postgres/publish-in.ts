/**
 * Transactional publish: events appended inside the application's own transaction, on its own client. They are delivered if
 * and only if that commits, for the bell is rung by the commit. The law of the run is judged here by the same machine as
 * everywhere (L1), on what the log says while this transaction holds the stream; a refusal is thrown before anything is
 * written, and leaves the transaction as it was.
 */
import { createActor } from "xstate";
import { decodePublish } from "../../../protocol/codec.ts";
import type { EventInput } from "../../../protocol/event.ts";
import type { ContaminationPolicy } from "../../../protocol/flags.ts";
import type { PublishAnswer } from "../../../protocol/http.ts";
import { asEpoch, asRunId, asTenantId, defaultTenant, streamOwner } from "../../../protocol/ids.ts";
import type { Fence, Seq } from "../../../protocol/ids.ts";
import { Fenced, IllegalTransition, InvalidInput, NotFound, RunEnded, SeqConflict } from "../../errors.ts";
import { systemClock } from "../../platform/clock.ts";
import { Apart } from "../../runtime/apart.ts";
import { Batch } from "../../runtime/batch.ts";
import type { PayloadPolicy } from "../../runtime/contamination.ts";
import { eventIds } from "../../runtime/event-id.ts";
import { judge, ownStep, type RunActor, type Verdict } from "../../runtime/judge.ts";
import { inWholeBatch, prepare, type Prepared, textOf } from "../../runtime/payload.ts";
import { replay, runLogic } from "../../runtime/run-actor.ts";
import { isDated } from "../../runtime/run-dates.ts";
import { RunKeys } from "../../runtime/run-keys.ts";
import type { RunRecord } from "../event-log.ts";
import { appendIn } from "./append-in.ts";
import { postgresReads } from "./reads.ts";
import { askIn, type AskIn, type TransactionClient } from "./transaction-client.ts";
import { postgresWrites } from "./writes.ts";

export interface PublishIn {
  readonly runId: string;
  /** Default: `default`. */
  readonly tenantId?: string | undefined;
  /** Of the run's lease, as `startRun` or `claim` answered it. */
  readonly fence: Fence;
  /** All or nothing. An event whose `key` is known in the run is counted, not written. */
  readonly events: readonly {
    readonly type: string;
    readonly data?: Readonly<Record<string, unknown>> | undefined;
    readonly key?: string | undefined;
  }[];
  /** Only if the run stands there. */
  readonly ifSeq?: Seq | undefined;
  /** W3C trace context: it stays with the events. */
  readonly traceparent?: string | undefined;
  /** Somebody is told of the run's end, or of a question to the user, if no device acknowledges it. Default false. */
  readonly critical?: boolean | undefined;
  /** What happens to a payload that names another user than the owner. Default `refuse`. */
  readonly contamination?: ContaminationPolicy | undefined;
  /** As in the store's URL. Default `runcast`. */
  readonly schema?: string | undefined;
}

const nextId = eventIds(systemClock);
const timeText = (): string => new Date(systemClock.now()).toISOString();

/**
 * Appends events of a run within the transaction that `client` has open. From then on until it ends no one else appends to
 * that user's stream, so do it last.
 *
 * Fails: `InvalidInput`, `NotFound`, `Fenced`, `RunEnded`, `SeqConflict`, `KeyConflict`, `IllegalTransition`, `Contaminated`
 * before anything is written; what the database says, as the client's own error, after which the transaction is aborted.
 */
export async function publishIn(client: TransactionClient, publish: PublishIn): Promise<PublishAnswer> {
  const { schema = "runcast", fence, ifSeq } = publish;
  const events = checked(publish);
  const ask = askIn(client);
  const reads = postgresReads({
    ...{ schema, onLost: async () => {} },
    // The epoch is nobody's question here.
    use: (work) => work({ epoch: asEpoch(""), query: ask }),
  });
  const writes = postgresWrites({ schema, ask, clock: systemClock });
  const record = await lockedRun(ask, reads, schema, publish);
  if (record.fence !== fence)
    throw new Fenced({ message: "this fence is not the newest: another runner holds the run" });
  const owner = streamOwner(record.stream);
  const policy: PayloadPolicy = {
    contaminationOf: () => publish.contamination ?? "refuse",
    countContaminated: () => {},
  };
  const prepared = events.map((event, index) => prepare(event, index, owner, policy));
  const keys = new RunKeys(reads, record, false);
  await keys.learn(events);
  const fresh = keys.fresh(prepared, record.seq + 1);
  if (fresh.length === 0) {
    const known = keys.get(prepared.at(-1)?.event.key ?? "");
    return { seq: known?.seq ?? record.seq, offset: known?.offset ?? record.lastOffset, duplicates: prepared.length };
  }
  if (record.ended !== undefined) throw new RunEnded({ state: record.ended });
  if (ifSeq !== undefined && ifSeq !== record.seq) throw new SeqConflict({ seq: record.seq });

  const verdict = await judged(reads, record, fresh, prepared);
  if (verdict.apart.length > 0) await new Apart(writes, timeText).keep(record, verdict.apart);
  const duplicates = prepared.length - fresh.length;
  const more = {
    ...(verdict.repaired > 0 && { repaired: verdict.repaired }),
    ...(verdict.apart.length > 0 && { quarantined: verdict.apart.length }),
  };
  if (verdict.legal.length === 0) return { seq: record.seq, offset: record.lastOffset, duplicates, ...more };
  const { offset, seq } = await appendIn(ask, schema, batchOf(record, verdict, fresh, publish).appendTo(record));
  return { seq, offset, duplicates, ...more };
}

function checked({ fence, events, ifSeq }: PublishIn): readonly EventInput[] {
  const text = textOf({ fence, events, ifSeq }, () => "events", "invalid_event") ?? "";
  const decoded = decodePublish(text);
  if (decoded.ok) return decoded.value.events;
  throw new InvalidInput({ code: "invalid_event", ...decoded.issue });
}

/** The run as it stands, and stays until the transaction ends. */
async function lockedRun(
  ask: AskIn,
  reads: ReturnType<typeof postgresReads>,
  schema: string,
  { runId, tenantId = defaultTenant }: PublishIn,
): Promise<RunRecord> {
  const find = () => reads.run(asTenantId(tenantId), asRunId(runId));
  const found = await find();
  if (found === undefined) throw new NotFound({ what: "run" });
  await ask({ text: `SELECT 1 AS held FROM ${schema}.streams WHERE stream = $1 FOR UPDATE`, values: [found.stream] });
  const record = await find();
  if (record === undefined) throw new NotFound({ what: "run" });
  return record;
}

/** The machine's word on the events, from where the log says the run stands. Fails: throws `IllegalTransition`. */
async function judged(
  reads: ReturnType<typeof postgresReads>,
  record: RunRecord,
  fresh: readonly Prepared[],
  prepared: readonly Prepared[],
): Promise<Verdict> {
  const { profile, stream, runId, tenantId } = record;
  const actor: RunActor = createActor(runLogic, { input: { profile } });
  actor.start();
  try {
    await replay(reads, record, actor);
    // A parent cannot complete while a child lives.
    const { runs } = await reads.living(stream);
    for (const child of runs)
      if (child.parentRunId === runId && child.tenantId === tenantId) actor.send({ type: "child.started" });
    const verdict = judge(
      actor,
      fresh.map(({ event }) => event),
      record.onIllegal,
    );
    if (verdict instanceof IllegalTransition) throw inWholeBatch(verdict, fresh, prepared);
    return verdict;
  } finally {
    actor.stop();
  }
}

const ends: ReadonlySet<string> = new Set(["agent_completed", "agent_failed", "agent_cancelled"]);

function batchOf(record: RunRecord, verdict: Verdict, fresh: readonly Prepared[], publish: PublishIn): Batch {
  const batch = new Batch(record.seq, record.fence, timeText());
  batch.ended = verdict.ended;
  for (const { event, index } of verdict.legal) {
    const source = index === ownStep ? undefined : fresh[index];
    const text = source?.text ?? JSON.stringify(event.data);
    const row = batch.add(nextId(), event.type, text, record.threadId, publish.traceparent);
    if (source === undefined) row.repaired = true;
    else if (event.key !== undefined && source.digest !== undefined)
      row.key = { name: event.key, digest: source.digest };
    if (isDated(event)) batch.noteDated(event);
    const isEnd = ends.has(event.type) && record.parentRunId === undefined;
    const isQuestion = event.type === "agent_suspended" && (event.data.approvals?.length ?? 0) > 0;
    if (publish.critical === true && (isEnd || isQuestion)) batch.noteCritical();
  }
  return batch;
}
