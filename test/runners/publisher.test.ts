import { afterEach, describe, expect, it } from "vitest";
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import type { Run } from "../../src/runtime/run-handle.ts";
import { runAgent } from "../../src/runners/plain.ts";
import type { RemoteWorld, RemoteWorldOptions } from "./support/remote-world.ts";
import { remoteWorld } from "./support/remote-world.ts";

let world: RemoteWorld;
const open = async (options?: RemoteWorldOptions): Promise<RemoteWorld> => {
  world = await remoteWorld(options);
  return world;
};
afterEach(() => world.close());

const story = ({ type, seq, data }: { type: string; seq?: number; data: unknown }) => ({ type, seq, data });
const note = (n: number): EventInput => ({ type: "x.note", data: { n } });

/** Everything that a run can say, awaited or not. Answers what each call answered, or by what it was refused. */
async function program(run: Run): Promise<unknown[]> {
  const said: Promise<unknown>[] = [];
  const say = (call: Promise<unknown>): void => {
    said.push(
      call.then(
        (answer) => ({ ...(answer as object), offset: 0 }),
        (cause: unknown) => {
          const { _tag, index, state, event, legal, path, code, message, seq, key } = cause as Record<string, unknown>;
          // The embedded ones of these two say it all in their fields.
          const said = _tag === "KeyConflict" || _tag === "RunEnded" ? undefined : message;
          return { _tag, index, state, event, legal, path, code, message: said, seq, key };
        },
      ),
    );
  };
  say(run.thinking("hm", 1));
  say(run.delta("m0", "one "));
  say(run.emit([note(1), note(2)]));
  say(run.resumed());
  say(run.emit([note(3), { type: "tool_completed", data: { toolCallId: "never", status: "ok" } }]));
  say(run.emit({ type: "x.routed", data: { userId: "bob" } }));
  say(run.emit([note(4), { type: "tool_executing", data: { toolName: "t" } } as never]));
  say(run.emit({ type: "x.keyed", data: { a: 1 }, key: "k" }));
  say(run.emit({ type: "x.keyed", data: { a: 1 }, key: "k" }));
  say(run.emit({ type: "x.keyed", data: { a: 2 }, key: "k" }));
  say(run.emit([{ type: "x.keyed", data: { a: 1 }, key: "k" }, note(5), { type: "agent_resumed", data: {} }]));
  say(run.emit({ type: "x.big", data: { n: 1n } }));
  await Promise.all(said);
  const sum = await run.tool({ toolName: "add", toolCallId: "c1", args: [1, 2] }, () => 3);
  const failed = await run
    .tool({ toolName: "fail", toolCallId: "c2" }, () => Promise.reject(new RangeError("too far")))
    .catch((cause: unknown) => cause instanceof RangeError);
  await run.suspended({ reason: "approval", approvals: [{ approvalId: `${run.runId}-p` }] });
  const suspended = run.state;
  await run.resumed({ ok: true });
  const resumed = run.state;
  say(run.message("m0", "one two"));
  say(run.emit({ type: "tool_executing", data: { toolCallId: "c3", toolName: "open" } }));
  say(run.completed("too early"));
  say(run.delta("m1", "last words"));
  say(run.failed({ code: "enough", message: "of this" }));
  say(run.delta("m1", "after the end"));
  const answers = await Promise.all(said);
  return [sum, failed, suspended, resumed, run.state, run.signal.aborted, String(run.signal.reason), answers];
}

describe("a run of a publisher", () => {
  it("tells the same story as an embedded one, with the same answers and the same refusals", async () => {
    const { runcast, publisher, events } = await open();
    const embedded = await program(await runcast.startRun({ userId: "embedded", agent: "a", runId: "run" }));
    const started = await publisher
      .startRun({ userId: "remote", agent: "a", runId: "run", tenantId: "other" })
      .catch((e: unknown) => e);
    expect(started).toMatchObject({ runId: "run", fence: 1, state: "started" });
    const remote = await program(started as Run);
    expect(remote).toEqual(embedded);
    const seen = (await runcast.run("run", "other")).seq;
    expect(seen).toBe((await runcast.run("run")).seq);
    const log = await events("embedded");
    expect(log.length).toBe(seen);
  });

  it("sends what is said in one turn in one request, and one request at a time", async () => {
    const { publisher, wire, events } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a" });
    const first = Array.from({ length: 20 }, (_, n) => run.delta("m", `${n} `));
    const answers = await Promise.all(first);
    expect(wire.of("/events").map(({ body }) => body.events?.length)).toEqual([20]);
    expect(answers.map(({ seq, offset }) => [seq, offset])).toEqual(answers.map((_, n) => [n + 2, n + 2]));
    for (let n = 0; n < 30; n += 1) {
      void run.delta("m", `${n} `);
      if (n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await run.completed();
    expect(wire.maxInFlight).toBe(1);
    expect(wire.of("/events").length).toBeLessThan(20);
    const texts = (await events()).flatMap(({ data }) => ("text" in data ? [data.text] : []));
    expect(texts).toEqual([...Array(20).keys(), ...Array(30).keys()].map((n) => `${n} `));
  });

  it("joins a tool's events with what is said around them", async () => {
    const { publisher, wire } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a" });
    void run.thinking();
    const tools = ["a", "b", "c"].map((toolName) => run.tool({ toolName }, () => toolName));
    void run.delta("m", "meanwhile");
    expect(await Promise.all(tools)).toEqual(["a", "b", "c"]);
    await run.completed();
    const said = wire.of("/events").map(({ body }) => body.events?.length);
    expect(said[0]).toBe(5);
    expect(said.length).toBeLessThanOrEqual(5);
    expect(said.reduce<number>((sum, count = 0) => sum + count, 0)).toBe(9);
  });

  it("uses its connections again", async () => {
    const { publisher, connections } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a" });
    for (let n = 0; n < 50; n += 1) await run.delta("m", `${n} `);
    await run.completed();
    // One, and whatever a heartbeat that met a publish has opened.
    expect(connections()).toBeLessThanOrEqual(3);
  });

  it("splits what is too much for one request, in events and in bytes, and keeps the order", async () => {
    const { publisher, wire, events } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a" });
    const many = Array.from({ length: 1_500 }, (_, n) => run.emit(note(n)));
    await Promise.all(many);
    const big = "é".repeat(200_000);
    await Promise.all(Array.from({ length: 6 }, (_, n) => run.emit({ type: "x.big", data: { n, big } })));
    const sizes = wire.of("/events").map(({ body }) => body.events?.length);
    expect(sizes).toEqual([1_000, 500, 2, 2, 2]);
    const numbers = (await events()).flatMap(({ data }) => ("n" in data ? [data.n] : []));
    expect(numbers).toEqual([...Array(1_500).keys(), ...Array(6).keys()]);
  });

  it("refuses at once what no request can carry, and says what the limit is", async () => {
    const { publisher, wire } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a" });
    await expect(run.emit({ type: "x.big", data: { text: "x".repeat(1_048_576) } })).rejects.toMatchObject({
      _tag: "TooLarge",
      outcome: "refused",
    });
    await expect(run.emit(Array.from({ length: 1_001 }, (_, n) => note(n)))).rejects.toMatchObject({ path: "events" });
    await expect(run.emit([])).rejects.toMatchObject({ _tag: "InvalidInput" });
    expect(wire.of("/events")).toEqual([]);
    expect(await run.completed()).toMatchObject({ seq: 2 });
  });

  it("refuses only the guilty of those who share a request", async () => {
    const refused: string[] = [];
    const { publisher, wire, events } = await open({
      publisher: { onRefused: ({ failure, events: [first] }) => refused.push(`${failure._tag} ${first?.type}`) },
    });
    const run = await publisher.startRun({ userId: "alice", agent: "a" });
    const calls = [
      run.thinking(),
      run.emit(note(1)),
      run.emit([note(2), { type: "agent_resumed", data: {} }]),
      run.emit([note(3), { type: "x.routed", data: { deep: [{ userId: "bob" }] } }]),
      run.delta("m", "fine"),
    ];
    const settled = await Promise.allSettled(calls);
    expect(settled.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "rejected",
      "fulfilled",
    ]);
    expect(settled[2]).toMatchObject({ reason: { _tag: "IllegalTransition", index: 1, outcome: "refused" } });
    expect(settled[3]).toMatchObject({ reason: { _tag: "Contaminated", path: "events[1].data.deep[0].userId" } });
    expect((await events()).map(({ type }) => type)).toEqual([
      "agent_started",
      "agent_thinking",
      "x.note",
      "agent_delta",
    ]);
    expect(refused.toSorted()).toEqual(["Contaminated x.note", "IllegalTransition x.note"]);
    expect(wire.of("/events")).toHaveLength(3);
  });

  it("answers for the server's own steps as well: repaired, quarantined, closed at the end", async () => {
    const { publisher, runcast } = await open();
    const ids = ["repair", "quarantine", "reject"] as const;
    for (const onIllegal of ids) {
      const started = [
        await runcast.startRun({ userId: "embedded", agent: "a", onIllegal }),
        await publisher.startRun({ userId: "remote", agent: "a", onIllegal }),
      ];
      const [embedded, remote] = await Promise.all(
        started.map(async (run) => {
          const calls = [
            run.delta("m", "a"),
            run.emit({ type: "tool_completed", data: { toolCallId: "c", toolName: "t", status: "ok" } }),
            run.delta("m", "b"),
            run.emit({ type: "tool_executing", data: { toolCallId: "d", toolName: "t" } }),
            run.delta("m", "c"),
            run.failed({ code: "x", message: "y" }),
          ];
          const answers = await Promise.allSettled(calls);
          // Where the run stood when nothing was written depends on who was asked in between.
          const place = ({ quarantined, ...answer }: PublishAnswer) =>
            quarantined === 1 ? "quarantined" : { ...answer, offset: 0 };
          return [answers.map((each) => ("value" in each ? place(each.value) : each.status)), run.state];
        }),
      );
      expect(remote, onIllegal).toEqual(embedded);
    }
  });

  it("is started once, however often the start is said", async () => {
    const { publisher, wire, events, another } = await open();
    wire.faults.push("cutAfter");
    const run = await publisher.startRun({ userId: "alice", agent: "a" });
    expect(wire.of("/runs").map(({ body }) => body["runId"])).toEqual([run.runId, run.runId]);
    const again = await another().startRun({ userId: "alice", agent: "a", runId: run.runId });
    await again.thinking();
    await run.completed();
    expect((await events()).map(({ type }) => type)).toEqual(["agent_started", "agent_thinking", "agent_completed"]);
    await expect(another().startRun({ userId: "alice", agent: "a", runId: run.runId })).rejects.toMatchObject({
      _tag: "RunEnded",
      state: "completed",
    });
    await expect(another().startRun({ userId: "alice", agent: "b", runId: run.runId })).rejects.toMatchObject({
      _tag: "RunExists",
      outcome: "refused",
    });
  });

  it("goes on where another runner left it, with what that had become", async () => {
    const { publisher, another, runcast } = await open();
    const first = await publisher.startRun({ userId: "alice", agent: "a" });
    await first.thinking("hm");
    await first.emit({ type: "tool_executing", data: { toolCallId: "c", toolName: "slow" } });
    const second = await another().claim(first.runId);
    expect(second).toMatchObject({ fence: 2, state: "toolExecuting", snapshot: { seq: 3 } });
    await expect(first.delta("m", "late")).rejects.toMatchObject({ _tag: "Fenced" });
    expect(String(first.signal.reason)).toContain("another runner");
    const answers = await Promise.all([
      second.delta("m", "a"),
      second.delta("m", "b"),
      second.emit({ type: "tool_completed", data: { toolCallId: "c", status: "ok" } }),
      second.completed("done"),
    ]);
    expect(answers.map(({ seq }) => seq)).toEqual([4, 5, 6, 7]);
    expect(await runcast.run(first.runId)).toMatchObject({ state: "completed", output: "done" });
    await expect(another().claim(first.runId)).rejects.toMatchObject({ _tag: "RunEnded" });
    await expect(another().claim("no-such-run")).rejects.toMatchObject({ _tag: "NotFound", what: "run" });
  });

  it("hears between its own words that it shall stop, without a heartbeat", async () => {
    const { publisher, wire } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a", leaseMs: 3_600_000 });
    const outcome = runAgent(run, async (agent) => {
      await publisher.cancel(run.runId, { reason: "enough" });
      while (!agent.signal.aborted) await agent.delta("m", "on and on ");
    });
    expect(await outcome).toEqual({ state: "cancelled", reason: "the user asked the run to stop" });
    expect(wire.of("/heartbeat")).toEqual([]);
    await expect(publisher.cancel(run.runId)).rejects.toMatchObject({ _tag: "RunEnded", state: "cancelled" });
  });

  it("answers approvals and sends notices, each once", async () => {
    const { publisher, wire, events } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a" });
    await run.suspended({ reason: "approval", approvals: [{ approvalId: "p 1/ü" }] });
    wire.faults.push("cutAfter");
    await publisher.resolveApproval("p 1/ü", { decision: "approve" });
    await expect(publisher.resolveApproval("p 1/ü", { decision: "approve" })).rejects.toMatchObject({
      _tag: "AlreadyResolved",
      resolution: { decision: "approve", by: "key:agents" },
    });
    await expect(publisher.resolveApproval("nobody", { decision: "deny" })).rejects.toMatchObject({ what: "approval" });
    wire.faults.push("cutAfter");
    const result = await publisher.notify({ userId: "alice", type: "x.mail", data: { n: 1 } });
    expect(result).toMatchObject({ userId: "alice", eventType: "x.mail", offset: 4 });
    expect((await events()).map(({ type }) => type)).toEqual([
      "agent_started",
      "agent_suspended",
      "approval_resolved",
      "x.mail",
    ]);
  });

  it("names its tenant and its trace in every call", async () => {
    const trace = (n: number) => `00-${String(n).repeat(32)}-${"1".repeat(16)}-01`;
    let now = 1;
    const { publisher, wire, events } = await open({ publisher: { traceparent: () => trace(now) } });
    const run = await publisher.startRun({ userId: "alice", agent: "a" });
    const calls = [run.thinking()];
    now = 2;
    calls.push(run.delta("m", "x"), run.delta("m", "y"));
    await Promise.all(calls);
    const seen = await events();
    expect(seen.map(({ traceparent }) => traceparent)).toEqual([1, 1, 2, 2].map(trace));
    const fixed = await publisher.startRun({ userId: "bea", agent: "a", tenantId: "größe" }, { traceparent: trace(7) });
    await fixed.completed();
    const last = wire.sent.at(-1);
    expect([last?.query, last?.headers["traceparent"]]).toEqual(["?tenantId=gr%C3%B6%C3%9Fe", trace(7)]);
  });
});

describe("runAgent over a publisher", () => {
  it("fails the run for an event that was refused while nobody waited for it", async () => {
    const { publisher, events } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a" });
    const outcome = await runAgent(run, async (agent) => {
      void agent.message("m", "to whom?");
      void agent.run.emit(note(1));
      void agent.delta(undefined as never, "no message id");
      return "as if nothing had happened";
    });
    expect(outcome).toMatchObject({ state: "failed", error: { code: "invalid_event" } });
    expect((await events()).map(story).at(-1)).toMatchObject({ type: "agent_failed" });
  });
});
