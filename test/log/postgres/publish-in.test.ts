import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asRunId, asTenantId, asUserId, defaultTenant, streamKey } from "../../../protocol/ids.ts";
import { createRuncast } from "../../../src/make-runcast.ts";
import type { Runcast } from "../../../src/runcast.ts";
import type { EventLog } from "../../../src/log/event-log.ts";
import { notifyIn, publishIn } from "../../../src/log/postgres/index.ts";
import { openPostgresLog } from "../../../src/log/postgres/postgres.ts";
import { notice, wide, write } from "../../../src/testing/event-log/sample.ts";
import { eventually } from "../../support/eventually.ts";
import { postgresClient } from "../../support/postgres-client.ts";
import { PostgresServer } from "../../support/postgres-server.ts";

const auth = { kind: "secret", secret: "s".repeat(32) } as const;
const alice = streamKey(defaultTenant, asUserId("alice"));
const bob = streamKey(defaultTenant, asUserId("bob"));

let server: PostgresServer;
let url: string;
let runcast: Runcast;
/** Another node: it hears of everything by the bell only. */
let reader: EventLog;
let runs = 0;

beforeAll(async () => {
  server = await PostgresServer.start();
  url = `${await server.database()}?partitions=2&poll_ms=60000&lock_timeout_ms=300`;
  runcast = await createRuncast({ store: url, auth });
  reader = await openPostgresLog({ url });
});
afterAll(async () => {
  await runcast.close();
  await reader.close();
  await server[Symbol.asyncDispose]();
});

const start = (more: object = {}) => {
  runs += 1;
  return runcast.startRun({ userId: "alice", agent: "a", runId: `run-${runs}`, ...more });
};
const typesOf = async (runId: string) =>
  (await reader.readRun(defaultTenant, asRunId(runId), 0, wide)).map(({ type }) => type);

describe("a transactional publish", () => {
  it("is delivered to a reader on another connection when the transaction commits, and not before", async () => {
    const run = await start();
    await using client = await postgresClient(url);
    await client.query("CREATE TABLE orders (id int)");
    const unfollow = await reader.follow?.(alice);
    const heard: number[] = [];
    const unwatch = reader.watch(({ stream, head }) => void (stream === alice && heard.push(head)));
    await client.query("BEGIN");
    await client.query("INSERT INTO orders VALUES (1)");
    const events = [
      { type: "agent_thinking", data: { thought: "é \u2028" } },
      { type: "x.order", data: { id: 1 } },
    ];
    const said = await publishIn(client, { runId: run.runId, fence: run.fence, events });
    expect(said).toMatchObject({ seq: 3, duplicates: 0 });
    expect(await typesOf(run.runId)).toEqual(["agent_started"]);
    expect(heard).toEqual([]);
    await client.query("COMMIT");
    await eventually(() => expect(heard).toEqual([said.offset]));
    expect(await typesOf(run.runId)).toEqual(["agent_started", "agent_thinking", "x.order"]);
    unwatch();
    unfollow?.();
    // The run goes on where it stood: here nobody had heard of it yet.
    await run.thinking("on");
    expect(await typesOf(run.runId)).toEqual(["agent_started", "agent_thinking", "x.order", "agent_thinking"]);
  });

  it("is never delivered when the transaction is rolled back, and leaves no trace", async () => {
    const run = await start();
    await using client = await postgresClient(url);
    const before = await reader.position(alice);
    await client.query("BEGIN");
    const events = [{ type: "agent_thinking", key: "k" }, { type: "agent_completed" }];
    await publishIn(client, { runId: run.runId, fence: run.fence, events });
    await client.query("ROLLBACK");
    expect(await reader.position(alice)).toEqual(before);
    expect((await reader.run(defaultTenant, run.runId))?.ended).toBeUndefined();
    expect((await reader.knownKeys({ tenantId: defaultTenant, runId: run.runId }, ["k"])).size).toBe(0);
    await run.thinking("alive");
  });

  it("refuses what the run's machine refuses, before anything is written, and the transaction goes on", async () => {
    const run = await start({ profile: "strict" });
    await using client = await postgresClient(url);
    await client.query("BEGIN");
    const publish = (more: Partial<Parameters<typeof publishIn>[1]>) =>
      publishIn(client, { runId: run.runId, fence: run.fence, events: [{ type: "agent_thinking" }], ...more });
    await expect(publish({ events: [{ type: "agent_completed" }] })).rejects.toMatchObject({
      _tag: "IllegalTransition",
      index: 0,
      state: "started",
    });
    await expect(publish({ fence: 7 })).rejects.toMatchObject({ _tag: "Fenced" });
    await expect(publish({ ifSeq: 9 })).rejects.toMatchObject({ _tag: "SeqConflict", seq: 1 });
    await expect(publish({ runId: "nowhere" })).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(publish({ events: [{ type: "agent_thinkin" }] })).rejects.toMatchObject({ _tag: "InvalidInput" });
    const foreign = [{ type: "agent_thinking", data: { x: { userId: "bob" } } }];
    await expect(publish({ events: foreign })).rejects.toMatchObject({ _tag: "Contaminated" });
    expect(await publish({})).toMatchObject({ seq: 2 });
    const sanitized = [{ type: "x.note", data: { a: 1, userId: "bob" } }];
    expect(await publish({ events: sanitized, contamination: "sanitize" })).toMatchObject({ seq: 3 });
    await client.query("COMMIT");
    const [last] = await reader.readRun(defaultTenant, run.runId, 2, wide);
    expect(last).toMatchObject({ type: "x.note", data: '{"a":1}' });
  });

  it("answers a known key as it was, and the same key with another body with a conflict", async () => {
    const run = await start();
    await using client = await postgresClient(url);
    const publish = async (data: Record<string, unknown>) => {
      await client.query("BEGIN");
      const events = [{ type: "x.paid", data, key: "order-1" }];
      const said = await publishIn(client, { runId: run.runId, fence: run.fence, events });
      await client.query("COMMIT");
      return said;
    };
    const first = await publish({ sum: 1 });
    expect(await publish({ sum: 1 })).toEqual({ ...first, duplicates: 1 });
    await expect(publish({ sum: 2 })).rejects.toMatchObject({ _tag: "KeyConflict", seq: 2 });
  });

  it("ends a run, closes its open calls, and keeps a parent from completing before its child", async () => {
    const parent = await start();
    const child = await start({ parentRunId: parent.runId });
    await using client = await postgresClient(url);
    const publish = (run: typeof parent, ...types: string[]) =>
      publishIn(client, { runId: run.runId, fence: run.fence, events: types.map((type) => ({ type })) });
    await client.query("BEGIN");
    await expect(publish(parent, "agent_completed")).rejects.toMatchObject({ _tag: "IllegalTransition" });
    const call = { type: "tool_executing", data: { toolCallId: "c", toolName: "t" } };
    const failing = [call, { type: "agent_failed", data: { error: { code: "x", message: "x", retryable: false } } }];
    await publishIn(client, { runId: child.runId, fence: child.fence, events: failing });
    expect(await publish(parent, "agent_completed")).toMatchObject({ seq: 2 });
    await client.query("COMMIT");
    expect(await typesOf(child.runId)).toEqual(["agent_started", "tool_executing", "tool_completed", "agent_failed"]);
    expect((await reader.run(defaultTenant, parent.runId))?.ended).toBe("completed");
    await client.query("BEGIN");
    await expect(publish(parent, "x.late")).rejects.toMatchObject({ _tag: "RunEnded", state: "completed" });
    await client.query("ROLLBACK");
  });

  it("blocks only its user's stream while the transaction is open, and keeps the order when it commits", async () => {
    const run = await start();
    await using client = await postgresClient(url);
    await client.query("BEGIN");
    const events = [{ type: "agent_thinking" }];
    const { offset } = await publishIn(client, { runId: run.runId, fence: run.fence, events });
    await write(reader, notice(bob, "not held up"));
    // Longer than the lock may be waited for: nothing was written, and it says so.
    await expect(reader.append(notice(alice, "held up"))).rejects.toMatchObject({
      _tag: "LogUnavailable",
      message: "another transaction holds the stream",
    });
    const waiting = write(reader, notice(alice, "behind"));
    await client.query("COMMIT");
    expect((await waiting).offset).toBe(offset + 1);
    expect((await reader.read(alice, offset - 1, wide)).events.map(({ type }) => type)).toEqual([
      "agent_thinking",
      "x.notice",
    ]);
  });

  it("takes the transaction of the package `postgres` as well", async () => {
    const sql = postgres(url.replace(/\?.*$/, ""), { max: 1 });
    const body = { userId: "carol", tenantId: "other", type: "x.paid", data: { sum: 1 }, key: "k" };
    const run = await start();
    await sql.begin(async (transaction) => {
      const { offset } = await notifyIn(transaction, body);
      expect(await notifyIn(transaction, body)).toEqual({ offset, isDuplicate: true });
      await expect(notifyIn(transaction, { ...body, data: { sum: 2 } })).rejects.toMatchObject({ _tag: "KeyConflict" });
      await expect(notifyIn(transaction, { ...body, data: { userId: "bob" }, key: "l" })).rejects.toMatchObject({
        _tag: "Contaminated",
      });
      const events = [{ type: "agent_thinking", data: { thought: "é \u2028" } }];
      await publishIn(transaction, { runId: run.runId, fence: run.fence, events });
    });
    const refused = sql.begin(async (transaction) => {
      await publishIn(transaction, { runId: run.runId, fence: run.fence, events: [{ type: "agent_completed" }] });
      throw new Error("the card was refused");
    });
    await expect(refused).rejects.toThrow("the card was refused");
    await sql.end();
    const carol = streamKey(asTenantId("other"), asUserId("carol"));
    expect((await reader.read(carol, 0, wide)).events).toMatchObject([{ type: "x.paid", data: '{"sum":1}' }]);
    expect(await typesOf(run.runId)).toEqual(["agent_started", "agent_thinking"]);
  });
});
