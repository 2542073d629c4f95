/** What a runner, an operator and a device do through one node, and must find done at every other, on whichever store. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Runcast } from "../../../../src/index.ts";
import { createRuncast } from "../../../../src/index.ts";
import type { TestSocket } from "../../../gateway/support/socket.ts";
import { hello, openSocket } from "../../../gateway/support/socket.ts";
import { apiKeys, jwtSecret, userToken } from "../../../support/built-server.ts";
import type { Started } from "../../../support/fleet/calls.ts";
import { ask, eventsOf, say, startRun, word, wordsOf } from "../../../support/fleet/calls.ts";
import type { FleetNode } from "../../../support/fleet/fleet.ts";
import { Fleet } from "../../../support/fleet/fleet.ts";
import type { StoreKind } from "../../../support/fleet/fleet-store.ts";
import { until } from "../../../support/fleet/until.ts";
import { call } from "../../../support/http-reader.ts";
import { SseStream } from "../../../support/sse-stream.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const ticketCount = 50;
const sweeps = 3;
const orphansPerSweep = 10;
const shortLeaseMs = 1_000;
/** Revocations and flags. */
const toldWithinMs = 1_000;
/** What an SSE reader may have without an ack. */
const windowEvents = 1_024;
const maxEventsPerCall = 100;
/** On a machine with other work. */
const patienceMs = 120_000;
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const nowSeconds = (): number => Math.floor(Date.now() / 1_000);

export function acrossOn(kind: StoreKind): void {
  describe(`what is done through another node, on one ${kind} (SEED=${seed})`, () => {
    const random = seededRandom(seed);
    let fleet: Fleet;
    let nodes: readonly [FleetNode, FleetNode, FleetNode];
    beforeAll(async () => {
      fleet = await Fleet.start(kind, { nodes: 3, random });
      nodes = [fleet.node(0), fleet.node(1), fleet.node(2)];
    });
    afterEach(({ task }) => {
      if (task.result?.state === "fail") console.error(fleet.said());
    });
    afterAll(() => fleet?.[Symbol.asyncDispose]());

    const connected = async (node: FleetNode, userId: string, more = {}): Promise<TestSocket> => {
      const socket = await hello(node.url, await userToken(userId, { iat: nowSeconds() - 10 }), more);
      await socket.nextOf("welcome");
      return socket;
    };
    const command = async (socket: TestSocket, name: string, more: object) => {
      socket.send({ type: "command", ref: name, name, ...more });
      return socket.nextOf("reply");
    };
    const typesOf = async (node: FleetNode, run: { readonly runId: string }) =>
      (await eventsOf(node, run)).map(({ type }) => type);

    it("a run goes on through whichever node its runner calls, and every node knows its keys", {
      timeout: patienceMs,
    }, async () => {
      const [a, b, c] = nodes;
      const run = await startRun(a, { userId: "ada", runId: "ada-1" });
      // The same start again is the same run, wherever it is asked for.
      expect((await ask(b, "POST /v1/runs", { agent: "tester", userId: "ada", runId: "ada-1" })).status).toBe(200);
      for (let step = 0; step < 30; step += 1) {
        const event = { ...word(String(step)), key: `step-${step}` };
        const first = await say(fleet.anyNode(), run, event);
        expect(first).toMatchObject({ status: 200, body: { duplicates: 0, seq: step + 2 } });
        const again = await say(fleet.anyNode(), run, event);
        expect(again).toMatchObject({
          status: 200,
          body: { duplicates: 1, seq: first.body.seq, offset: first.body.offset },
        });
      }
      expect((await say(b, run, { ...word("another"), key: "step-0" })).body.error.code).toBe("key_conflict");
      // Its state moves with it: what is illegal is refused by who has not heard its last event.
      const call1 = { toolCallId: "c1", toolName: "t" };
      expect((await say(c, run, { type: "tool_executing", data: call1 })).status).toBe(200);
      expect((await say(a, run, { type: "agent_completed", data: {} })).body.error.code).toBe("illegal_transition");
      expect((await say(b, run, { type: "tool_completed", data: { toolCallId: "c1", status: "ok" } })).status).toBe(
        200,
      );
      expect((await say(a, run, { type: "agent_completed", data: {} })).status).toBe(200);
      expect((await say(c, run, word("late"))).status).toBe(410);
    });

    it("two runners of one run, each at its own node, never write past each other", {
      timeout: patienceMs,
    }, async () => {
      const [a, b] = nodes;
      const run = await startRun(a, { userId: "abe" });
      const runner = async (node: FleetNode, name: string) => {
        for (let at = 0; at < 25; at += 1)
          expect(await say(node, run, { ...word(`${name}${at}`), key: `${name}${at}` })).toMatchObject({ status: 200 });
      };
      await Promise.all([runner(a, "a"), runner(b, "b")]);
      const words = (await wordsOf(nodes[2], run)).map(String);
      for (const name of ["a", "b"])
        expect(words.filter((each) => each.startsWith(name))).toEqual(
          Array.from({ length: 25 }, (_, at) => `${name}${at}`),
        );
    });

    it("Stop and an approval reach a runner at another node", { timeout: patienceMs }, async () => {
      const [a, b, c] = nodes;
      const tab = await connected(b, "bea");
      const asking = await startRun(a, { userId: "bea" });
      const approvals = [{ approvalId: "bea-p", prompt: "May I?" }];
      expect((await say(a, asking, { type: "agent_suspended", data: { reason: "approval", approvals } })).status).toBe(
        200,
      );
      const answers = await Promise.all([
        command(tab, "resolve_approval", { data: { approvalId: "bea-p", decision: "approve" } }),
        ask(c, "POST /v1/approvals/bea-p", { decision: "deny" }),
      ]);
      // The first answer wins, and both are told which.
      expect([answers[0].ok, answers[1].status === 200].filter(Boolean)).toHaveLength(1);
      expect((await typesOf(a, asking)).filter((type) => type === "approval_resolved")).toHaveLength(1);
      expect((await say(a, asking, { type: "agent_resumed", data: {} })).status).toBe(200);
      expect(await command(tab, "cancel_run", { runId: asking.runId })).toMatchObject({ ok: true });
      // Its runner hears of it with its next heartbeat, through any node.
      for (const node of nodes) {
        const beat = await ask(node, `POST /v1/runs/${asking.runId}/heartbeat`, { fence: asking.fence });
        expect(beat).toMatchObject({ status: 200, body: { cancelRequested: true } });
      }
      expect((await say(c, asking, { type: "agent_cancelled", data: { by: "runner" } })).status).toBe(200);
      await tab.close();
    });

    it("a heartbeat through any node keeps a run alive, and its silence ends it once", {
      timeout: patienceMs,
    }, async () => {
      const run = await startRun(nodes[0], { userId: "cal", leaseMs: shortLeaseMs });
      const endMono = performance.now() + 4 * shortLeaseMs;
      for (let at = 0; performance.now() < endMono; at += 1) {
        const node = nodes[(at % 2) + 1] ?? nodes[1];
        const beat = await ask(node, `POST /v1/runs/${run.runId}/heartbeat`, { fence: run.fence });
        expect(beat.status, beat.text).toBe(200);
        await new Promise((resolve) => setTimeout(resolve, shortLeaseMs / 5));
      }
      expect(await typesOf(nodes[0], run)).toEqual(["agent_started"]);
      await until("the silent run ends", async () => (await typesOf(nodes[1], run)).length > 1);
      expect(await typesOf(nodes[2], run)).toEqual(["agent_started", "agent_interrupted"]);
    });

    it("a cancel through another node aborts an embedded runner, and its readers are anywhere", {
      timeout: patienceMs,
    }, async () => {
      const embedded: Runcast = await createRuncast({
        store: fleet.store.urlThrough(nodes[0].relay),
        auth: { kind: "secret", secret: jwtSecret },
      });
      try {
        const tab = await connected(nodes[1], "dan", { from: "start" });
        const run = await embedded.startRun({ userId: "dan", agent: "embedded" });
        await run.thinking("hm");
        await until("another node shows it", () => tab.frames.some(({ type }) => type === "events"));
        const aborted = new Promise((resolve) => run.signal.addEventListener("abort", resolve, { once: true }));
        expect(await command(tab, "cancel_run", { runId: run.runId })).toMatchObject({ ok: true });
        await aborted;
        await run.emit({ type: "agent_cancelled", data: { by: "runner" } });
        expect(await typesOf(nodes[2], run)).toEqual([
          "agent_started",
          "agent_thinking",
          "cancel_requested",
          "agent_cancelled",
        ]);
        await tab.close();
      } finally {
        await embedded.close();
      }
    });

    it("a revocation cuts sockets and refuses tokens at every node within a second", {
      timeout: patienceMs,
    }, async () => {
      const tabs = await Promise.all(nodes.map((node) => connected(node, "eve")));
      const startMono = performance.now();
      expect((await ask(nodes[0], "POST /v1/revocations", { userId: "eve" })).status).toBe(200);
      for (const tab of tabs) expect((await tab.ended).code).toBe(4401);
      expect(performance.now() - startMono).toBeLessThan(toldWithinMs);
      const token = await userToken("eve", { iat: nowSeconds() - 10 });
      for (const node of nodes) expect((await call(node.url, "GET /v1/runs", { as: token })).status).toBe(401);
      expect((await ask(nodes[1], "POST /v1/revocations/lift", { userId: "eve" })).status).toBe(200);
      await until(
        "every node lets her in again",
        async () => {
          const answers = await Promise.all(nodes.map((node) => call(node.url, "GET /v1/runs", { as: token })));
          return answers.every(({ status }) => status === 200);
        },
        toldWithinMs,
      );
    });

    it("a flag holds at every node within a second", { timeout: patienceMs }, async () => {
      const [a, b, c] = nodes;
      const run = await startRun(b, { userId: "fay" });
      const foreign = { type: "x.note", data: { userId: "somebody" } };
      for (const node of nodes) expect((await say(node, run, foreign)).status).toBe(422);
      const startMono = performance.now();
      expect((await ask(a, "PATCH /v1/flags", { contaminationPolicy: "sanitize" })).status).toBe(200);
      for (const node of [b, c])
        await until(
          `${node.name} has the flag`,
          async () => (await say(node, run, foreign)).status === 200,
          toldWithinMs,
        );
      expect(performance.now() - startMono).toBeLessThan(toldWithinMs);
      expect((await ask(c, "POST /v1/flags/rollback", {})).status).toBe(200);
      await until("the first node has it back", async () => (await say(a, run, foreign)).status === 422, toldWithinMs);
    });

    it(`a ticket lets one in of two that use it at two nodes at once, ${ticketCount} times`, {
      timeout: patienceMs,
    }, async () => {
      const token = await userToken("gus");
      for (let at = 0; at < ticketCount; at += 1) {
        const [from, first, second] = [nodes[at % 3], nodes[(at + 1) % 3], nodes[(at + 2) % 3]];
        const { body } = await call(from?.url ?? "", "POST /v1/tickets", { as: token, body: {} });
        const enter = async (node: FleetNode | undefined) => {
          const socket = await openSocket(node?.url ?? "", { path: `/v1/ws?ticket=${body.ticket}` });
          socket.send({ type: "hello" });
          await socket.nextOf("welcome");
          await socket.close();
        };
        const entered = await Promise.allSettled([enter(first), enter(second)]);
        expect(entered.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
      }
    });

    it("an SSE reader's acks open its window through whichever node they come", { timeout: patienceMs }, async () => {
      const run = await startRun(nodes[0], { userId: "hal" });
      const total = 2 * windowEvents;
      for (let sent = 0; sent < total; sent += maxEventsPerCall)
        await say(nodes[0], run, ...Array.from({ length: maxEventsPerCall }, (_, index) => word(`${sent + index}`)));
      const token = await userToken("hal");
      const stream = await SseStream.open(nodes[1].url, token, "?from=start&device=hal-sse");
      const welcome = await stream.until(({ type }) => type === "welcome");
      const upto = () => stream.frames.reduce((most, frame) => (frame.type === "events" ? frame.upto : most), 0);
      await until("all of it came", async () => {
        const connectionId = Reflect.get(welcome, "connectionId");
        const answer = await call(nodes[2].url, "POST /v1/ack", { as: token, body: { connectionId, offset: upto() } });
        expect(answer.status, answer.text).toBeLessThan(300);
        return upto() > total;
      });
      stream.close();
    });

    it(`of two that sweep at once after a node died one ends each run, ${sweeps} times`, {
      timeout: patienceMs,
    }, async () => {
      const whole = ["agent_started", "tool_executing", "tool_completed", "agent_interrupted"];
      const all: Started[] = [];
      let living = [...fleet.nodes];
      for (let sweep = 0; sweep < sweeps; sweep += 1) {
        const dying = living[0] ?? fleet.node(0);
        const sweepers = fleet.nodes.filter((node) => node !== dying);
        const runs = await Promise.all(
          Array.from({ length: orphansPerSweep }, (_, at) =>
            startRun(dying, { userId: `orphan-${at}`, leaseMs: shortLeaseMs }),
          ),
        );
        for (const run of runs)
          await say(dying, run, { type: "tool_executing", data: { toolCallId: "c", toolName: "t" } });
        // A node sweeps when it starts: so two do it at the same moment. The one that died stays away meanwhile.
        for (const node of living) await fleet.kill9(node);
        await Promise.all(sweepers.map((node) => fleet.startAgain(node)));
        for (const run of runs)
          await until(
            `${run.runId} has an end`,
            async () => (await typesOf(fleet.anyNode(), run)).length >= whole.length,
          );
        all.push(...runs);
        for (const run of all) for (const node of sweepers) expect(await typesOf(node, run)).toEqual(whole);
        living = sweepers;
      }
      for (const node of fleet.nodes) if (!node.isIn) await fleet.startAgain(node);
      for (const run of all) for (const node of fleet.nodes) expect(await typesOf(node, run)).toEqual(whole);
    });

    it("two nodes end one run once when both are asked at the same moment", { timeout: patienceMs }, async () => {
      for (let at = 0; at < 10; at += 1) {
        const run = await startRun(nodes[0], { userId: "ida" });
        const ends = nodes.map((node, index) =>
          say(node, run, { type: "agent_completed", data: { output: String(index) }, key: `end-${index}` }),
        );
        expect((await Promise.all(ends)).map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
          200, 410, 410,
        ]);
        expect(await typesOf(nodes[1], run)).toEqual(["agent_started", "agent_completed"]);
      }
    });

    it("the ledger of every node says the same", { timeout: patienceMs }, async () => {
      const ledgers = await Promise.all(nodes.map((node) => call(node.url, "GET /v1/ledger", { as: apiKeys.admin })));
      for (const { body } of ledgers) expect(body).toEqual(ledgers[0]?.body);
      expect(ledgers[0]?.body).toMatchObject({ difference: 0 });
    });
  });
}
