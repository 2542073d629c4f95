import { afterEach, describe, expect, it } from "vitest";
import { runAgent } from "../../src/runners/plain.ts";
import { runAiSdk } from "../../src/runners/ai-sdk.ts";
import { LogUnavailable, PublishFailure } from "../../src/publisher/publish-failure.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import type { Fault, RemoteWorld, RemoteWorldOptions } from "./support/remote-world.ts";
import { remoteWorld } from "./support/remote-world.ts";

let world: RemoteWorld;
const open = async (options?: RemoteWorldOptions): Promise<RemoteWorld> => {
  world = await remoteWorld(options);
  return world;
};
afterEach(() => world.close());

const startedRun = async (options?: RemoteWorldOptions) => {
  const made = await open(options);
  return { ...made, run: await made.publisher.startRun({ userId: "alice", agent: "a" }) };
};

const unsettled: readonly (readonly [string, Fault])[] = [
  ["the request is cut", "cutBefore"],
  ["the answer is cut, after the commit", "cutAfter"],
  ["the answer does not come in time", "hangs"],
  ["the platform's fetch cannot be aborted", "isDeaf"],
  ["a proxy says 502", { status: 502 }],
  ["a proxy says 503", { status: 503 }],
  ["somebody says 429", { status: 429 }],
  ["somebody answers 200 with a page of their own", { status: 200 }],
];

describe("a publish without an answer", () => {
  it.each(unsettled)("is repeated with the same keys and stands once in the log (I18): %s", async (_, fault) => {
    const { run, wire, events } = await startedRun({ publisher: { timeoutMs: 500 } });
    wire.faults.push(fault);
    const answers = await Promise.all([run.thinking("hm"), run.delta("m", "a"), run.delta("m", "b")]);
    expect(answers.map(({ seq, offset }) => [seq, offset])).toEqual([
      [2, 2],
      [3, 3],
      [4, 4],
    ]);
    const [first, second] = wire.of("/events").map(({ body }) => body.events);
    expect(second).toEqual(first);
    expect((await events()).map(({ type }) => type)).toEqual([
      "agent_started",
      "agent_thinking",
      "agent_delta",
      "agent_delta",
    ]);
  });

  it("is given up after three tries as unknown, and emitting its events again settles it", async () => {
    const { run, wire, events } = await startedRun();
    wire.faults.push("cutAfter", "cutBefore", "cutBefore");
    const failure = await run.thinking("hm").catch((cause: unknown) => cause);
    expect(failure).toBeInstanceOf(LogUnavailable);
    expect(failure).toBeInstanceOf(PublishFailure);
    const { outcome, events: unknown = [] } = failure as LogUnavailable;
    expect([outcome, unknown.length, wire.of("/events").length]).toEqual(["unknown", 1, 3]);
    expect(await run.emit(unknown)).toMatchObject({ seq: 2, offset: 2, duplicates: 1 });
    expect(run.state).toBe("thinking");
    expect(await events()).toHaveLength(2);
  });

  it("lets nothing that was said behind it overtake it (L3)", async () => {
    const { run, wire, events } = await startedRun();
    wire.faults.push("cutBefore", "cutBefore", "cutBefore");
    const first = run.delta("m", "one ").catch((cause: unknown) => cause);
    await wire.answered("/events", 1);
    const behind = [run.delta("m", "two "), run.completed()].map((call) => call.catch((cause: unknown) => cause));
    expect(await first).toMatchObject({ _tag: "LogUnavailable", outcome: "unknown" });
    for (const failure of await Promise.all(behind))
      expect(failure).toMatchObject({ _tag: "LogUnavailable", outcome: "refused" });
    // Who has been told goes on as they like.
    await run.delta("m", "three");
    expect((await events()).map(({ data }) => ("text" in data ? data.text : undefined))).toEqual([undefined, "three"]);
  });

  it("waits from 100 ms, twice as long each time, with jitter, and as long as Retry-After asks", async () => {
    const clock = manualClock();
    const waits: number[] = [];
    const noted = {
      ...clock,
      after: (delayMs: number, task: () => void) => {
        waits.push(delayMs);
        // The waits between tries are what this test is about: they pass at once. The rest never comes.
        return delayMs < 9_000 ? clock.after(0, task) : () => {};
      },
    };
    const { wire, another } = await open();
    const publisher = another({ clock: noted, retryMs: undefined, tries: 6, heartbeatMs: 60_000 });
    wire.standing.set("/runs", "cutBefore");
    const calls = publisher.startRun({ userId: "alice", agent: "a" }).catch((cause: unknown) => cause);
    const moving = setInterval(() => void clock.advance(0), 1);
    expect(await calls).toMatchObject({ outcome: "unknown" });
    const between = waits.filter((ms) => ms < 9_000);
    expect(between).toHaveLength(5);
    for (const [at, ms] of between.entries()) {
      expect(ms).toBeGreaterThanOrEqual((100 * 2 ** at) / 2);
      expect(ms).toBeLessThanOrEqual(100 * 2 ** at);
    }
    expect(new Set(between.map((ms, at) => ms / 2 ** at)).size).toBe(5);
    waits.length = 0;
    wire.standing.set("/runs", { status: 503, headers: { "retry-after": "7" } });
    await publisher.startRun({ userId: "alice", agent: "a" }).catch(() => {});
    expect(waits.filter((ms) => ms < 9_000)).toEqual([7_000, 7_000, 7_000, 7_000, 7_000]);
    waits.length = 0;
    wire.standing.set("/runs", { status: 503, headers: { "retry-after": "3600" } });
    const sentAway = await publisher.startRun({ userId: "alice", agent: "a" }).catch((cause: unknown) => cause);
    expect(sentAway).toMatchObject({ outcome: "unknown", retryAfterMs: 3_600_000 });
    expect(waits.filter((ms) => ms < 9_000)).toEqual([]);
    clearInterval(moving);
  });

  it('is repeated for as long as the lease lives with tries: "lease", and no longer', async () => {
    const clock = manualClock();
    const { wire, another } = await open();
    const publisher = another({ clock, tries: "lease", retryMs: 100 });
    const run = await publisher.startRun({ userId: "alice", agent: "a", leaseMs: 60_000 });
    wire.standing.set("/events", "cutBefore");
    wire.standing.set("/heartbeat", "cutBefore");
    let outcome: unknown;
    const call = run.thinking().catch((cause: unknown) => {
      outcome = cause;
    });
    const startMs = clock.mono();
    while (outcome === undefined) await clock.advance(1_000);
    await call;
    expect(outcome).toMatchObject({ _tag: "LogUnavailable", outcome: "unknown" });
    expect(wire.of("/events").length).toBeGreaterThan(12);
    expect(clock.mono() - startMs).toBeGreaterThanOrEqual(60_000);
    expect(clock.mono() - startMs).toBeLessThan(70_000);
  });

  it("is unknown also when the server refuses the next try before it looks at the keys", async () => {
    const clock = manualClock();
    const { run, wire, runcast, events } = await startedRun({ publisher: { clock } });
    wire.faults.push("cutAfter");
    const thinking = run.thinking().catch((cause: unknown) => cause);
    await wire.answered("/events", 1);
    await runcast.claim(run.runId);
    // The wait before the second try.
    await clock.advance(100);
    expect(await thinking).toMatchObject({ _tag: "Fenced", outcome: "unknown", isRepeated: true });
    expect(await events()).toHaveLength(2);
  });
});

describe("a refusal", () => {
  const gone: readonly (readonly [Fault & object, object])[] = [
    [{ status: 401 }, { _tag: "UnexpectedAnswer", status: 401 }],
    [
      { status: 302, headers: { location: "http://127.0.0.1:9/" } },
      { _tag: "UnexpectedAnswer", status: 302 },
    ],
    [
      { status: 403, body: '{"error":{"code":"forbidden","message":"no"}}' },
      { _tag: "Forbidden", message: "no" },
    ],
    [{ status: 418, body: '{"error":{"code":"constructor"}}' }, { _tag: "UnexpectedAnswer" }],
  ];
  it.each(gone)("is not repeated: %j", async (fault, told) => {
    const { run, wire } = await startedRun();
    wire.faults.push(fault);
    await expect(run.thinking()).rejects.toMatchObject({ ...told, outcome: "refused" });
    expect(wire.of("/events")).toHaveLength(1);
    expect(run.signal.aborted).toBe(false);
  });

  it("for a reason that names nobody is asked again for each of those who shared the request", async () => {
    const { run, wire, events } = await startedRun();
    const keys = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`key${n}`, n]));
    const deep = Array.from({ length: 40 }).reduce<object>((inner) => ({ inner }), {});
    const calls = [
      run.delta("m", "a"),
      run.emit({ type: "x.deep", data: { deep } }),
      run.emit({ type: "x.wide", data: keys }),
    ];
    const settled = await Promise.allSettled(calls);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(settled[1]).toMatchObject({ reason: { _tag: "InvalidInput", code: "invalid" } });
    expect(wire.of("/events").map(({ body }) => body.events?.length)).toEqual([3, 1, 1, 1]);
    expect((await events()).map(({ type }) => type)).toEqual(["agent_started", "agent_delta", "x.wide"]);
  });
});

describe("an adapter over a wire that fails", () => {
  it("runAgent: nothing lost, nothing doubled, though every other answer is cut", async () => {
    const { run, wire, events } = await startedRun();
    const every: Fault[] = ["cutAfter", { status: 503 }, "cutBefore"];
    const outcome = await runAgent(run, async (agent) => {
      for (let n = 0; n < 12; n += 1) {
        const fault = every[n % every.length];
        if (fault) wire.faults.push(fault);
        await agent.delta("m", `${n} `);
        await agent.tool("count", () => n);
      }
      return "done";
    });
    expect(outcome).toEqual({ state: "completed", output: "done" });
    const log = await events();
    expect(log.map(({ seq }) => seq)).toEqual(log.map((_, at) => at + 1));
    expect(log.flatMap(({ data }) => ("result" in data ? [data.result] : []))).toEqual([...Array(12).keys()]);
  });

  it("runAgent: the run fails when an event stays without an outcome, and says so", async () => {
    const { run, wire, events } = await startedRun();
    const outcome = await runAgent(run, async (agent) => {
      wire.faults.push("cutBefore", "cutBefore", "cutBefore");
      void agent.delta("m", "lost");
      return "as if";
    });
    expect(outcome).toMatchObject({ state: "failed", error: { code: "log_unavailable" } });
    expect((await events()).map(({ type }) => type)).toEqual(["agent_started", "agent_failed"]);
  });

  it("runAiSdk: a generation is written once, though its answers are cut", async () => {
    const { run, wire, events } = await startedRun();
    async function* stream() {
      yield { type: "start-step" };
      yield { type: "text-start", id: "t" };
      for (let n = 0; n < 20; n += 1) {
        if (n % 4 === 0) wire.faults.push("cutAfter");
        yield { type: "text-delta", id: "t", text: `${n} ` };
      }
      yield { type: "text-end", id: "t" };
      yield { type: "finish-step" };
      yield { type: "finish", finishReason: "stop" };
    }
    const outcome = await runAiSdk(run, { stream: stream() }, { deltaWindowMs: 0 });
    expect(outcome.state).toBe("completed");
    const whole = [...Array(20).keys()].map((n) => `${n} `).join("");
    const log = await events();
    const texts = log.flatMap(({ type, data }) => (type === "agent_delta" && "text" in data ? [data.text] : []));
    expect(texts.join("")).toBe(whole);
    expect(log.at(-1)?.type).toBe("agent_completed");
  });
});
