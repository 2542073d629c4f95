import { request as rawRequest } from "node:http";
import { connect } from "node:net";
import * as Effect from "effect/Effect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { House } from "./support/house.ts";
import { keys, openHouse, secret, token } from "./support/house.ts";

let house: House;
beforeAll(async () => {
  house = await openHouse({ gateway: { allowedOrigins: ["https://app.example"] } });
});
afterAll(() => house.close());

const publish = (
  run: { runId: string; fence: number },
  events: unknown[],
  more: Record<string, unknown> = {},
  as: string = keys.both,
) => house.call("POST", `/v1/runs/${run.runId}/events`, { as, body: { fence: run.fence, events, ...more } });
const thinking = { type: "agent_thinking", data: {} };

describe("starting a run", () => {
  it("answers 201 with its place, and 200 the second time", async () => {
    const body = { userId: "alice", agent: "a", runId: "run:start.1" };
    const first = await house.call("POST", "/v1/runs", { as: keys.publisher, body });
    expect(first.status).toBe(201);
    expect(first.body).toEqual({
      runId: "run:start.1",
      fence: 1,
      seq: 1,
      offset: expect.any(Number),
      epoch: expect.any(String),
    });
    const second = await house.call("POST", "/v1/runs", { as: keys.publisher, body });
    expect([second.status, second.body]).toEqual([200, first.body]);
    const other = await house.call("POST", "/v1/runs", { as: keys.publisher, body: { ...body, agent: "b" } });
    expect([other.status, other.body.error.code]).toEqual([409, "run_exists"]);
  });

  it("names the run by itself, as a UUIDv7", async () => {
    expect((await house.startRun()).runId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it.each([
    [{ agent: "a" }, "userId"],
    [{ userId: "", agent: "a" }, "userId"],
    [{ userId: "a\nb", agent: "a" }, "userId"],
    [{ userId: "a".repeat(257), agent: "a" }, "userId"],
    [{ userId: "alice" }, "agent"],
    [{ userId: "alice", agent: "a", runId: "a b" }, "runId"],
    [{ userId: "alice", agent: "a", runId: "r".repeat(129) }, "runId"],
    [{ userId: "alice", agent: "a", tenantId: "" }, "tenantId"],
    [{ userId: "alice", agent: "a", leaseMs: 999 }, "leaseMs"],
    [{ userId: "alice", agent: "a", leaseMs: 3_600_001 }, "leaseMs"],
    [{ userId: "alice", agent: "a", profile: "loose" }, "profile"],
    [{ userId: "alice", agent: "a", onIllegal: "ignore" }, "onIllegal"],
    [{ userId: "alice", agent: "a", user_id: "bob" }, ""],
    [[], ""],
    ["null", ""],
    ["{", ""],
  ])("refuses %j with 400", async (body, path) => {
    const answer = await house.call("POST", "/v1/runs", { as: keys.publisher, body });
    expect([answer.status, answer.body.error.code, answer.body.error.details]).toEqual([400, "invalid", { path }]);
  });

  it("takes 256 characters as a user, whatever their width", async () => {
    expect((await house.startRun({ userId: "😀".repeat(256) })).seq).toBe(1);
  });
});

describe("publishing", () => {
  it("answers with the place of the last event and counts duplicates", async () => {
    const run = await house.startRun();
    const events = [
      { ...thinking, key: "k1" },
      { type: "agent_delta", data: { messageId: "m", channel: "text", text: "hi" }, key: "k2" },
    ];
    const first = await publish(run, events);
    expect([first.status, first.body]).toEqual([200, { seq: 3, offset: expect.any(Number), duplicates: 0 }]);
    const again = await publish(run, events);
    expect(again.body).toEqual({ ...first.body, duplicates: 2 });
    const conflict = await publish(run, [{ ...thinking, data: { thought: "other" }, key: "k1" }]);
    expect([conflict.status, conflict.body.error.code, conflict.body.error.details]).toEqual([
      409,
      "key_conflict",
      { key: "k1", seq: 2 },
    ]);
  });

  it("answers 409 illegal_transition with what would be legal, and writes nothing", async () => {
    const run = await house.startRun({ profile: "strict" });
    const { status, body } = await publish(run, [thinking, { type: "agent_started", data: { agent: "a" } }]);
    expect([status, body.error.code]).toEqual([409, "illegal_transition"]);
    expect(body.error.details).toMatchObject({ index: 1, state: "thinking", event: "agent_started" });
    expect(body.error.details.legal).toContain("tool_executing");
    expect((await house.call("GET", `/v1/runs/${run.runId}`, { as: await token() })).body.seq).toBe(1);
  });

  it("answers 409 seq_conflict, 409 fenced, 410 run_ended", async () => {
    const run = await house.startRun();
    const seq = await publish(run, [thinking], { ifSeq: 7 });
    expect([seq.status, seq.body.error.code, seq.body.error.details]).toEqual([409, "seq_conflict", { seq: 1 }]);
    const fenced = await publish({ ...run, fence: 99 }, [thinking]);
    expect([fenced.status, fenced.body.error.code]).toEqual([409, "fenced"]);
    expect((await publish(run, [{ type: "agent_completed", data: {} }])).status).toBe(200);
    const ended = await publish(run, [thinking]);
    expect([ended.status, ended.body.error.code]).toEqual([410, "run_ended"]);
  });

  it("answers 422 contaminated with the path", async () => {
    const run = await house.startRun();
    const { status, body } = await publish(run, [{ type: "x.note", data: { deep: { targetUserId: "bob" } } }]);
    expect([status, body.error.code]).toEqual([422, "contaminated"]);
    expect(body.error.details.path).toContain("targetUserId");
  });

  it.each([
    ["no fence", { events: [thinking] }, "invalid", "fence"],
    ["no events", { fence: 1 }, "invalid", "events"],
    ["an empty list", { fence: 1, events: [] }, "invalid", "events"],
    ["an unknown type", { fence: 1, events: [{ type: "agent_slept" }] }, "invalid_event", "events[0].type"],
    [
      "data that is wrong",
      { fence: 1, events: [thinking, { type: "tool_executing", data: {} }] },
      "invalid_event",
      "events[1].data.toolCallId",
    ],
    ["data that is a list", { fence: 1, events: [{ type: "x.a", data: [] }] }, "invalid_event", "events[0].data"],
    ["a field too many", { fence: 1, events: [{ ...thinking, seq: 4 }] }, "invalid_event", "events[0]"],
  ])("answers 400 to %s", async (_, body, code, path) => {
    const run = await house.startRun();
    const answer = await house.call("POST", `/v1/runs/${run.runId}/events`, { as: keys.both, body });
    expect([answer.status, answer.body.error.code, answer.body.error.details]).toEqual([400, code, { path }]);
  });

  it("keeps a sound traceparent and drops another", async () => {
    const run = await house.startRun({ userId: "tracy" });
    const sound = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (const traceparent of [sound, '","data":{},"x":"']) {
      const { status } = await house.call("POST", `/v1/runs/${run.runId}/events`, {
        as: keys.both,
        headers: { traceparent },
        body: { fence: run.fence, events: [thinking] },
      });
      expect(status).toBe(200);
    }
    const { body } = await house.call("GET", "/v1/events", { as: await token("tracy") });
    expect(body.events.map((event: { traceparent?: string }) => event.traceparent)).toEqual([
      undefined,
      sound,
      undefined,
    ]);
  });
});

describe("a run's other calls", () => {
  it("renew its lease, hand it over, and stop it", async () => {
    const run = await house.startRun();
    const beat = await house.call("POST", `/v1/runs/${run.runId}/heartbeat`, { as: keys.both, body: { fence: 1 } });
    expect([beat.status, Object.keys(beat.body)]).toEqual([200, ["leaseUntil"]]);
    expect(Date.parse(beat.body.leaseUntil)).toBeGreaterThan(Date.now());
    const claimed = await house.call("POST", `/v1/runs/${run.runId}/claim`, { as: keys.both });
    expect(claimed.status).toBe(200);
    expect(claimed.body).toMatchObject({ seq: 1, snapshot: { runId: run.runId, state: "started" } });
    expect(claimed.body.fence).toBeGreaterThan(1);
    const old = await house.call("POST", `/v1/runs/${run.runId}/heartbeat`, { as: keys.both, body: { fence: 1 } });
    expect([old.status, old.body.error.code]).toEqual([409, "fenced"]);
    const cancelled = await house.call("POST", `/v1/runs/${run.runId}/cancel`, {
      as: await token(),
      body: { reason: "enough" },
    });
    expect(cancelled.status).toBe(202);
    const told = await house.call("POST", `/v1/runs/${run.runId}/heartbeat`, {
      as: keys.both,
      body: { fence: claimed.body.fence },
    });
    expect(told.body.cancelRequested).toBe(true);
  });

  it("resolve an approval once", async () => {
    const run = await house.startRun();
    const suspended = {
      type: "agent_suspended",
      data: { reason: "approval", approvals: [{ approvalId: "ok/1", prompt: "?" }] },
    };
    expect((await publish(run, [suspended])).status).toBe(200);
    const path = `/v1/approvals/${encodeURIComponent("ok/1")}`;
    const first = await house.call("POST", path, { as: await token(), body: { decision: "approve" } });
    expect([first.status, first.body]).toEqual([200, { approvalId: "ok/1", decision: "approve", by: "user" }]);
    const second = await house.call("POST", path, { as: keys.both, body: { decision: "deny" } });
    expect([second.status, second.body.error.code]).toEqual([409, "already_resolved"]);
    expect(second.body.error.details.resolution).toMatchObject({ decision: "approve" });
  });

  it("send a notice and count who got it", async () => {
    const body = { userId: "nobody-home", type: "x.hint", data: { text: "hello" } };
    const answer = await house.call("POST", "/v1/notices", { as: keys.publisher, body });
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        userId: "nobody-home",
        eventType: "x.hint",
        offset: 1,
        connectionsAttempted: 0,
        successfulSends: 0,
        acknowledged: 0,
        errors: [],
      },
    ]);
  });
});

describe("reading", () => {
  it("pages a user's events to the end", async () => {
    const run = await house.startRun({ userId: "paula" });
    await publish(
      run,
      Array.from({ length: 9 }, () => thinking),
    );
    const seen: number[] = [];
    let after: number | null = 0;
    while (after !== null) {
      const page: Awaited<ReturnType<House["call"]>> = await house.call("GET", `/v1/events?after=${after}&limit=4`, {
        as: await token("paula"),
      });
      seen.push(...page.body.events.map((event: { offset: number }) => event.offset));
      after = page.body.next;
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const one = await house.call("GET", `/v1/runs/${run.runId}/events?after=8`, { as: await token("paula") });
    expect(one.body.events.map((event: { seq: number }) => event.seq)).toEqual([9, 10]);
    expect(one.body.next).toBeNull();
  });

  it("pages a user's runs, newest first", async () => {
    const made = [];
    for (let index = 0; index < 3; index += 1) made.unshift((await house.startRun({ userId: "rita" })).runId);
    const first = await house.call("GET", "/v1/runs?limit=2", { as: await token("rita") });
    expect(first.body.runs.map((run: { runId: string }) => run.runId)).toEqual(made.slice(0, 2));
    const second = await house.call("GET", `/v1/runs?limit=2&after=${encodeURIComponent(first.body.next)}`, {
      as: await token("rita"),
    });
    expect(second.body.runs.map((run: { runId: string }) => run.runId)).toEqual(made.slice(2));
    expect(second.body.next).toBeNull();
  });

  it.each(["limit=0", "limit=1001", "limit=x", "limit=", "limit=1.5", "after=-1", "after=1e3"])(
    "refuses %s with 400",
    async (query) => {
      const answer = await house.call("GET", `/v1/events?${query}`, { as: await token() });
      expect([answer.status, answer.body.error.details]).toEqual([400, { path: query.split("=")[0] }]);
    },
  );

  it("answers the same to a run of somebody else and to none", async () => {
    const run = await house.startRun({ userId: "owner" });
    const stranger = await token("stranger");
    for (const [method, tail] of [
      ["GET", ""],
      ["GET", "/events"],
      ["POST", "/cancel"],
    ] as const) {
      const foreign = await house.call(method, `/v1/runs/${run.runId}${tail}`, { as: stranger });
      const missing = await house.call(method, `/v1/runs/no-such-run${tail}`, { as: stranger });
      expect([foreign.status, foreign.body]).toEqual([404, missing.body]);
    }
  });

  it("keeps tenants apart that have users of the same name", async () => {
    const run = await house.startRun({ userId: "sam", tenantId: "acme", runId: "acme-run" });
    expect((await house.call("GET", `/v1/runs/${run.runId}`, { as: await token("sam", "acme") })).status).toBe(200);
    expect((await house.call("GET", `/v1/runs/${run.runId}`, { as: await token("sam") })).status).toBe(404);
    expect((await house.call("GET", "/v1/runs", { as: await token("sam") })).body.runs).toEqual([]);
  });

  it("lets an admin read for anybody it names", async () => {
    const run = await house.startRun({ userId: "una", tenantId: "acme" });
    const named = await house.call("GET", "/v1/events?userId=una&tenantId=acme", { as: keys.admin });
    expect(named.body.events).toHaveLength(1);
    const byHeader = await house.call("GET", `/v1/runs/${run.runId}`, {
      as: keys.admin,
      headers: { "x-runcast-tenant": "acme" },
    });
    const byQuery = await house.call("GET", `/v1/runs/${run.runId}?tenantId=acme`, { as: keys.admin });
    const bound = await house.call("GET", `/v1/runs/${run.runId}`, { as: keys.acme });
    expect([byHeader.status, byQuery.status, bound.status]).toEqual([200, 200, 200]);
    expect((await house.call("GET", `/v1/runs/${run.runId}`, { as: keys.admin })).status).toBe(404);
    expect((await house.call("GET", "/v1/events", { as: keys.admin })).status).toBe(400);
    const both = await house.call("GET", `/v1/runs/${run.runId}?tenantId=x`, {
      as: keys.admin,
      headers: { "x-runcast-tenant": "acme" },
    });
    expect(both.status).toBe(400);
  });

  it("gives admins the ledger, of one user or of all", async () => {
    await house.startRun({ userId: "len" });
    const one = await house.call("GET", "/v1/ledger?userId=len", { as: keys.admin });
    expect([one.status, one.body]).toEqual([200, { accepted: 1, acked: 0, stored: 1, deadLettered: 0, difference: 0 }]);
    expect((await house.call("GET", "/v1/ledger", { as: keys.admin })).body).toMatchObject({ difference: 0 });
  });
});

describe("who may", () => {
  it.each([
    ["POST", "/v1/runs"],
    ["POST", "/v1/runs/r/events"],
    ["POST", "/v1/runs/r/heartbeat"],
    ["POST", "/v1/runs/r/claim"],
    ["POST", "/v1/runs/r/cancel"],
    ["POST", "/v1/approvals/a"],
    ["POST", "/v1/notices"],
    ["POST", "/v1/tickets"],
    ["POST", "/v1/ack"],
    ["GET", "/v1/ledger"],
    ["GET", "/v1/runs"],
    ["GET", "/v1/runs/r"],
    ["GET", "/v1/runs/r/events"],
    ["GET", "/v1/events"],
    ["GET", "/v1/stream"],
  ])("%s %s: nobody without a credential, or with a bad one", async (method, path) => {
    const expired = await token("alice", "default", -1_000);
    for (const as of [undefined, "nonsense", expired, `${keys.both}x`]) {
      const answer = await house.call(method, path, { as });
      expect([answer.status, answer.body.error.code]).toEqual([401, "unauthenticated"]);
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
    const inUrl = await house.call(method, `${path}?token=${await token()}`, { as: await token() });
    expect(inUrl.status).toBe(401);
  });

  it.each([
    ["a user starts no run", "POST", "/v1/runs", () => token()],
    ["a user publishes nothing", "POST", "/v1/runs/r/events", () => token()],
    ["a user claims nothing", "POST", "/v1/runs/r/claim", () => token()],
    ["a user sends no notice", "POST", "/v1/notices", () => token()],
    ["a user reads no ledger", "GET", "/v1/ledger", () => token()],
    ["an admin without `publish` starts no run", "POST", "/v1/runs", async () => keys.admin],
    ["an admin without `publish` cancels nothing", "POST", "/v1/runs/r/cancel", async () => keys.admin],
    ["a publisher without `admin` reads no ledger", "GET", "/v1/ledger", async () => keys.publisher],
    ["a publisher without `admin` reads no run", "GET", "/v1/runs/r", async () => keys.publisher],
    ["a publisher without `admin` reads no events", "GET", "/v1/events?userId=alice", async () => keys.publisher],
    ["a publisher buys no ticket", "POST", "/v1/tickets", async () => keys.both],
    ["a publisher acknowledges nothing", "POST", "/v1/ack", async () => keys.both],
  ])("%s", async (_, method, path, as) => {
    const answer = await house.call(method, path, { as: await as() });
    expect([answer.status, answer.body.error.code]).toEqual([403, "forbidden"]);
  });

  it("a key stays in its tenants", async () => {
    const start = (as: string, tenantId?: string) =>
      house.call("POST", "/v1/runs", {
        as,
        body: { userId: "tess", agent: "a", ...(tenantId !== undefined && { tenantId }) },
      });
    expect((await start(keys.acme, "globex")).status).toBe(403);
    expect((await start(keys.two)).status).toBe(403);
    expect((await start(keys.two, "globex")).status).toBe(201);
    const made = await start(keys.acme);
    expect(made.status).toBe(201);
    expect((await publish(made.body, [thinking], {}, keys.acme)).status).toBe(200);
    const path = `/v1/runs/${made.body.runId}/events`;
    const body = { fence: made.body.fence, events: [thinking] };
    expect((await house.call("POST", path, { as: keys.two, body })).status).toBe(404);
    expect(
      (await house.call("POST", path, { as: keys.two, body, headers: { "x-runcast-tenant": "acme" } })).status,
    ).toBe(200);
  });

  it("a scheme may be written in any case", async () => {
    const answer = await house.call("GET", "/v1/runs", { headers: { authorization: `bearer ${await token()}` } });
    expect(answer.status).toBe(200);
  });
});

describe("a ticket", () => {
  it("is 256 bits and lives 60 s", async () => {
    const { status, body } = await house.call("POST", "/v1/tickets", { as: await token() });
    expect(status).toBe(200);
    expect(Buffer.from(body.ticket, "base64url")).toHaveLength(32);
    expect(Math.abs(Date.parse(body.expiresAt) - Date.now() - 60_000)).toBeLessThan(5_000);
  });
});

describe("a body", () => {
  it("over 1 MiB is 413, announced or not", async () => {
    const body = Buffer.alloc(1_048_577, 0x20);
    const announced = await house.call("POST", "/v1/runs", { as: keys.both, body });
    expect([announced.status, announced.body.error.code]).toEqual([413, "too_large"]);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sent = rawRequest(
        `${house.url}/v1/runs`,
        { method: "POST", headers: { authorization: `Bearer ${keys.both}` } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      sent.on("error", reject);
      sent.write(body.subarray(0, 600_000));
      sent.end(body.subarray(0, 600_000));
    });
    expect(status).toBe(413);
  });

  it("of exactly 1 MiB is read", async () => {
    const frame = (input: string) => JSON.stringify({ userId: "alice", agent: "a", input });
    const body = frame("x".repeat(1_048_576 - frame("").length));
    expect((await house.call("POST", "/v1/runs", { as: keys.both, body })).status).toBe(201);
  });

  it.each([
    ["not UTF-8", Buffer.from([0x22, 0xff, 0x22])],
    ["nested 33 deep", `${"[".repeat(33)}${"]".repeat(33)}`],
    ["a prototype's key", '{"userId":"alice","agent":"a","input":{"\\u005f_proto__":1}}'],
  ])("that is %s is 400", async (_, body) => {
    const answer = await house.call("POST", "/v1/runs", { as: keys.both, body });
    expect([answer.status, answer.body.error.code]).toEqual([400, "invalid"]);
  });

  it("is answered under 2 KB whatever it holds", async () => {
    const body = { userId: "alice", agent: "a", ["k".repeat(500_000)]: "v", runId: "x".repeat(400_000) };
    const answer = await house.call("POST", "/v1/runs", { as: keys.both, body });
    expect(answer.status).toBe(400);
    expect(answer.text.length).toBeLessThan(2_048);
  });

  it("is not read for a stranger", async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sent = rawRequest(
        `${house.url}/v1/runs`,
        { method: "POST", headers: { "content-length": 1_000_000 } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
          sent.destroy();
        },
      );
      sent.on("error", reject);
      sent.flushHeaders();
    });
    expect(status).toBe(401);
  });
});

describe("a path", () => {
  it.each([
    "/v1",
    "/v1/",
    "/v1/nothing",
    "/v1/runs/",
    "/v1/runs//events",
    "/v1/runs/a/b/c",
    "/nothing",
    "/v1/runs/%zz",
    "//v1/runs",
  ])("that is not in the contract is 404: %s", async (path) => {
    const answer = await house.call("GET", path, { as: await token() });
    expect([answer.status, answer.body.error.code]).toEqual([404, "not_found"]);
  });

  it.each([
    ["DELETE", "/v1/runs", "GET, POST"],
    ["GET", "/v1/notices", "POST"],
    ["PUT", "/v1/runs/r", "GET"],
    ["PATCH", "/livez", "GET"],
  ])("with a method that is not: %s %s is 405", async (method, path, allow) => {
    const answer = await house.call(method, path, { as: keys.both });
    expect([answer.status, answer.body.error.code, answer.headers.get("allow")]).toEqual([
      405,
      "method_not_allowed",
      allow,
    ]);
  });

  it("with a run id that is none is 400", async () => {
    const answer = await house.call("GET", "/v1/runs/a%20b", { as: await token() });
    expect([answer.status, answer.body.error.details]).toEqual([400, { path: "runId" }]);
  });
});

describe("a page of another origin", () => {
  it("reads answers when it is allowed", async () => {
    const headers = { origin: "https://app.example" };
    const preflight = await house.call("OPTIONS", "/v1/runs", {
      headers: { ...headers, "access-control-request-method": "GET" },
    });
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([
      204,
      "https://app.example",
    ]);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("authorization");
    const answer = await house.call("GET", "/v1/runs", { as: await token(), headers });
    expect([answer.status, answer.headers.get("access-control-allow-origin"), answer.headers.get("vary")]).toEqual([
      200,
      "https://app.example",
      "origin",
    ]);
    const refused = await house.call("GET", "/v1/runs", { headers });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, "https://app.example"]);
  });

  it.each(["https://evil.example", "null"])("is refused when it is not: %s", async (origin) => {
    for (const method of ["OPTIONS", "GET"]) {
      const answer = await house.call(method, "/v1/runs", { as: await token(), headers: { origin } });
      expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([403, null]);
    }
  });
});

describe("an operator's page", () => {
  it("says that it lives and is ready, for anybody", async () => {
    expect((await house.call("GET", "/livez")).body).toEqual({ status: "live" });
    const ready = await house.call("GET", "/readyz");
    expect([ready.status, ready.body]).toEqual([200, { status: "accepting" }]);
    expect((await house.call("HEAD", "/livez")).status).toBe(200);
  });

  it("counts, in Prometheus' words", async () => {
    const { text, headers } = await house.call("GET", "/metrics");
    expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text).toMatch(/^runcast_events_accepted_total [1-9]\d*$/m);
    expect(text).toContain('runcast_state{state="accepting"} 1');
    expect(text).toMatch(/^runcast_http_answers_total\{status="201"\} [1-9]\d*$/m);
    expect(text).toMatch(/^runcast_pending_sockets \d+$/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
    for (const line of text.trimEnd().split("\n"))
      expect(line).toMatch(/^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{[^}]*\})? -?[\d.e+-]+)$/);
  });

  it("says 503 once the server drains", async () => {
    const going = await openHouse();
    await Effect.runPromise(going.runtime.drain);
    const ready = await going.call("GET", "/readyz");
    expect([ready.status, ready.headers.get("retry-after")]).toEqual([503, "1"]);
    const run = await going.call("POST", "/v1/runs", { as: keys.both, body: { userId: "a", agent: "a" } });
    expect([run.status, run.body.error.code, run.headers.get("retry-after")]).toEqual([
      503,
      "not_accepting",
      expect.any(String),
    ]);
    await going.close();
  });
});

describe("the gateway's journal", () => {
  it("holds no token, no key and no payload", async () => {
    const given = await token("canary-user");
    await house.startRun({ userId: "alice", input: "canary-payload" });
    await house.call("POST", `/v1/runs/canary-run/events?token=${given}`, {
      as: keys.both,
      body: { canary: "canary-payload" },
    });
    await house.call("GET", `/v1/stream?ticket=canary-ticket`, {});
    await house.call("GET", "/v1/runs", { as: given });
    const text = JSON.stringify(house.journal);
    expect(house.journal.some(({ what }) => what === "http.answered")).toBe(true);
    for (const canary of [given, keys.both, secret, "canary"]) expect(text).not.toContain(canary);
  });
});

describe("a slow or broken caller", () => {
  it("who does not finish its headers is cut off", async () => {
    const socket = connect(house.port, "127.0.0.1");
    const startedAt = Date.now();
    const heard = await new Promise<string>((resolve, reject) => {
      let all = "";
      socket.on("error", reject);
      socket.on("data", (chunk) => {
        all += String(chunk);
      });
      socket.on("close", () => resolve(all));
      socket.write("GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    });
    expect(heard).toMatch(/^HTTP\/1\.1 408/);
    expect(Date.now() - startedAt).toBeLessThan(9_000);
  });

  it("who says nothing at all is cut off", async () => {
    const socket = connect(house.port, "127.0.0.1");
    const startedAt = Date.now();
    await new Promise<void>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("data", () => {});
      socket.on("close", () => resolve());
    });
    expect(Date.now() - startedAt).toBeLessThan(9_000);
  });

  it("whose headers are too large is told 431", async () => {
    const socket = connect(house.port, "127.0.0.1");
    const heard = await new Promise<string>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("data", (chunk) => resolve(String(chunk)));
      socket.write(`GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: ${"x".repeat(40_000)}\r\n\r\n`);
    });
    socket.destroy();
    expect(heard).toMatch(/^HTTP\/1\.1 431/);
  });

  it("who says nothing sensible is told 400 and the server lives", async () => {
    const socket = connect(house.port, "127.0.0.1");
    await new Promise<void>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("close", () => resolve());
      socket.on("data", () => {});
      socket.write("\u0000\u0001\u0002\r\n\r\n");
    });
    expect((await house.call("GET", "/livez")).status).toBe(200);
  });
});
