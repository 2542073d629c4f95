/**
 * What must hold of a fleet when all is quiet: every node shows the same log, it holds what was acknowledged once and in
 * order and nothing else, each run has one end, every device was handed all of it, and the accounts agree.
 */
import assert from "node:assert/strict";
import type { StreamEvent } from "../../../protocol/event.ts";
import { connect } from "../../../src/client/index.ts";
import { apiKeys, userToken } from "../built-server.ts";
import { call, readAll } from "../http-reader.ts";
import type { FleetLoad, SaidRun } from "./fleet-load.ts";
import type { FleetReader } from "./fleet-reader.ts";
import type { Fleet } from "./fleet.ts";
import { until } from "./until.ts";

const pageEvents = 1_000;
const terminals = new Set(["agent_completed", "agent_failed", "agent_cancelled", "agent_interrupted"]);
const settleMs = 30_000;

export interface Terms {
  /** The store has failed over to a server that may lack something: devices may be told so, and begin anew behind it. */
  readonly mayReset?: boolean;
  /** It lacks something for certain: what was acknowledged before may be missing, what is there stands as it was said. */
  readonly hasLost?: boolean;
}

export interface Verdict {
  readonly events: number;
  readonly runs: number;
  /** Of them, those that the fleet had to end. */
  readonly interrupted: number;
  /** How often devices came back. */
  readonly moves: number;
}

/** Fails with the first law that is broken. The load has ended, and every node is up. */
export async function judge(fleet: Fleet, load: FleetLoad, terms: Terms = {}): Promise<Verdict> {
  let [events, interrupted] = [0, 0];
  for (const userId of load.userIds) {
    const runs = load.runs.filter((run) => run.userId === userId);
    const log = terms.hasLost ? await logOf(fleet.anyUrl(), userId) : await settledLog(fleet, userId, runs);
    const orderedNumbers = log.map((_, index) => index + 1);
    assert.deepEqual(
      log.map(({ offset }) => offset),
      orderedNumbers,
      `${userId}: offsets are dense`,
    );
    const byRun = Map.groupBy(log, ({ runId }) => String(runId));
    for (const run of runs) {
      const ofRun = byRun.get(run.runId) ?? [];
      byRun.delete(run.runId);
      if (terms.hasLost) judgeRest(run, ofRun);
      else interrupted += judgeRun(run, ofRun);
    }
    assert.deepEqual([...byRun.keys()], [], `${userId}: no foreign run`);
    for (const node of fleet.nodes)
      assert.deepEqual(await logOf(node.url, userId), log, `${userId}: ${node.name} shows another log`);
    for (const reader of load.readers.filter((each) => each.userId === userId))
      await judgeReader(reader, log, terms.mayReset === true);
    assert.deepEqual(await freshReader(fleet.anyUrl(), userId, log.length), log, `${userId}: a fresh reader`);
    await judgeLedger(fleet, userId, log.length);
    events += log.length;
  }
  const moves = load.readers.reduce((sum, reader) => sum + reader.moves, 0);
  return { events, runs: load.runs.length, interrupted, moves };
}

/** It has all behind what it was told; without a word from the server it has all. */
async function judgeReader(reader: FleetReader, log: readonly StreamEvent[], mayReset: boolean): Promise<void> {
  const { name, seen, told, complaints } = reader;
  const rest = () => {
    const { after = 0, upto = 0 } = told.at(-1) ?? {};
    return { had: seen.slice(after), due: log.slice(upto) };
  };
  // One that stands in a history that is gone may have as many, and is told any moment.
  const isThere = () => {
    const { had, due } = rest();
    return had.length >= due.length && had.at(due.length - 1)?.id === due.at(-1)?.id;
  };
  await until(`${name} has ${log.length} events`, isThere, settleMs).catch((cause: Error) => {
    const said = JSON.stringify({ seen: seen.length, told, complaints });
    throw new Error(`${cause.message}: ${said}`, { cause });
  });
  assert.deepEqual([...complaints], [], name);
  if (!mayReset) assert.deepEqual([...told], [], `${name} was told of gaps`);
  for (const { reason } of told) assert.ok(reason === "epoch" || reason === "snapshot", `${name}: a gap by ${reason}`);
  const { had, due } = rest();
  assert.deepEqual(had, due, `${name} was handed something else`);
  const before = seen.slice(0, told.at(0)?.after ?? 0);
  assert.deepEqual(
    before.map(({ offset }) => offset),
    before.map((_, index) => index + 1),
    `${name}: in order up to what it was told`,
  );
}

const logOf = async (url: string, userId: string): Promise<StreamEvent[]> =>
  readAll(url, "/v1/events", await userToken(userId), pageEvents);

/** The log when every run has its end: one whose runner was shut out gets it from a sweep. */
function settledLog(fleet: Fleet, userId: string, runs: readonly SaidRun[]): Promise<StreamEvent[]> {
  return until(
    `every run of ${userId} has an end`,
    async () => {
      const log = await logOf(fleet.anyUrl(), userId);
      const ended = new Set<string | undefined>(
        log.filter(({ type }) => terminals.has(type)).map(({ runId }) => runId),
      );
      return runs.every(({ runId }) => ended.has(runId)) && log;
    },
    settleMs,
  );
}

/** Answers 1 for a run that the fleet has ended, 0 for one that its runner has. */
function judgeRun({ runId, said, maybe, end }: SaidRun, log: readonly StreamEvent[]): number {
  assert.deepEqual(
    log.map(({ seq }) => seq),
    log.map((_, index) => index + 1),
    `${runId}: seqs are dense`,
  );
  assert.equal(log.at(0)?.type, "agent_started", runId);
  const ends = log.filter(({ type }) => terminals.has(type)).map(({ type }) => type);
  assert.deepEqual(ends, [end === "completed" ? "agent_completed" : "agent_interrupted"], `${runId}: one end`);
  assert.ok(terminals.has(log.at(-1)?.type ?? ""), `${runId}: nothing comes after the end`);
  const names = log.filter(({ type }) => type === "x.said").map(({ data }) => Reflect.get(data, "name"));
  const hasMore = names.length > said.length;
  assert.deepEqual(names, hasMore ? [...said, ...maybe] : said, `${runId}: what was acknowledged, once and in order`);
  return end === "completed" ? 0 : 1;
}

/** Something was lost: what is there came once, in the order in which it was said. */
function judgeRest({ runId, said, maybe }: SaidRun, log: readonly StreamEvent[]): void {
  const all = [...said, ...maybe];
  const places = log
    .filter(({ type }) => type === "x.said")
    .map(({ data }) => all.indexOf(String(Reflect.get(data, "name"))));
  assert.deepEqual(
    places,
    [...new Set(places)].toSorted((a, b) => a - b),
    `${runId}: once and in order`,
  );
  assert.ok(!places.includes(-1), `${runId}: nothing that nobody said`);
  const ends = log.filter(({ type }) => terminals.has(type));
  assert.ok(
    ends.length === 0 || (ends.length === 1 && ends[0] === log.at(-1)),
    `${runId}: one end, and nothing behind it`,
  );
}

async function freshReader(url: string, userId: string, count: number): Promise<StreamEvent[]> {
  const client = connect({ url, token: () => userToken(userId), from: "start" });
  const seen: StreamEvent[] = [];
  try {
    if (count === 0) return seen;
    for await (const event of client.events()) {
      seen.push(event);
      if (seen.length === count) break;
    }
    return seen;
  } finally {
    client.close();
  }
}

async function judgeLedger(fleet: Fleet, userId: string, count: number): Promise<void> {
  const ask = async () => (await call(fleet.anyUrl(), `GET /v1/ledger?userId=${userId}`, { as: apiKeys.admin })).body;
  // Acks are saved in the background.
  const ledger = await until(`all of ${userId} is acknowledged`, async () => {
    const found = await ask();
    return found.acked === count && found;
  }).catch(async (cause: unknown) => {
    throw new Error(`${userId}: the ledger says ${JSON.stringify(await ask())} of ${count} events`, { cause });
  });
  assert.deepEqual(
    {
      accepted: ledger.accepted,
      stored: ledger.stored,
      deadLettered: ledger.deadLettered,
      difference: ledger.difference,
    },
    { accepted: count, stored: 0, deadLettered: 0, difference: 0 },
    `${userId}: the ledger`,
  );
}
