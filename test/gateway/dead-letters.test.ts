import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryLog } from "../../src/log/memory.ts";
import type { House } from "./support/house.ts";
import { keys, openHouse, token } from "./support/house.ts";

const later = "2100-01-01T00:00:00.000Z";

let house: House;
beforeAll(async () => {
  const log = memoryLog();
  house = await openHouse({ runtime: { log } });
  const say = (tenantId: string, run: { runId: string; fence: number }, events: unknown[]) =>
    house.call("POST", `/v1/runs/${run.runId}/events?tenantId=${tenantId}`, {
      as: keys.both,
      body: { fence: run.fence, events },
    });
  await house.call("POST", "/v1/notices", { as: keys.both, body: { userId: "ann", type: "x.unread", data: {} } });
  await log.retire({ before: later, now: later, maxEvents: 1_000 });
  for (const [tenantId, userId] of [
    ["default", "ann"],
    ["acme", "ann"],
    ["globex", "bob"],
  ] as const) {
    const run = await house.startRun({ tenantId, userId, runId: `run-of-${tenantId}`, onIllegal: "quarantine" });
    await say(tenantId, run, [
      { type: "tool_completed", data: { toolCallId: "never", status: "ok", result: tenantId } },
    ]);
    await say(tenantId, run, [{ type: "agent_completed", data: {} }]);
    await say(tenantId, run, [{ type: "agent_thinking", data: { thought: "late" } }]);
  }
});
afterAll(() => house.close());

interface Entry {
  readonly kind: string;
  readonly tenantId: string;
  readonly userId: string;
  readonly type?: string;
}
const list = async (query: string, as: string = keys.admin) => {
  const { status, body } = await house.call("GET", `/v1/deadletters${query}`, { as });
  return { status, next: body.next, entries: (body.entries ?? []) as Entry[] };
};
const short = (entries: readonly Entry[]) =>
  entries.map(({ tenantId, userId, type, kind }) => `${tenantId}/${userId} ${type ?? kind}`);

describe("GET /v1/deadletters", () => {
  it("lists what was illegal, what came late and what went unread, each with its reason, newest first", async () => {
    const { status, entries, next } = await list("");
    expect(status).toBe(200);
    expect(next).toBeNull();
    expect(short(entries)).toEqual([
      "globex/bob agent_thinking",
      "globex/bob tool_completed",
      "acme/ann agent_thinking",
      "acme/ann tool_completed",
      "default/ann agent_thinking",
      "default/ann tool_completed",
      "default/ann retired",
    ]);
    expect(entries.slice(-3)).toEqual([
      {
        ...{ kind: "quarantined", tenantId: "default", userId: "ann", runId: "run-of-default", type: "agent_thinking" },
        ...{
          data: { thought: "late" },
          reason: "it came after the run had ended: completed",
          time: expect.any(String),
        },
      },
      {
        ...{ kind: "quarantined", tenantId: "default", userId: "ann", runId: "run-of-default", type: "tool_completed" },
        data: { toolCallId: "never", status: "ok", result: "default" },
        ...{ reason: expect.stringContaining("tool_completed"), time: expect.any(String) },
      },
      {
        ...{ kind: "retired", tenantId: "default", userId: "ann", from: 1, upto: 1, events: 1, time: later },
        reason: "they were older than what is kept, and no device had acknowledged them",
      },
    ]);
  });

  it("narrows to a user, a tenant and a run", async () => {
    expect(short((await list("?userId=ann")).entries)).toEqual([
      "default/ann agent_thinking",
      "default/ann tool_completed",
      "default/ann retired",
    ]);
    expect(short((await list("?userId=ann&tenantId=acme")).entries).length).toBe(2);
    expect(short((await list("?tenantId=globex")).entries).length).toBe(2);
    expect(short((await list("?runId=run-of-acme")).entries)).toEqual([
      "acme/ann agent_thinking",
      "acme/ann tool_completed",
    ]);
    expect((await list("?userId=ann&runId=run-of-acme")).entries).toEqual([]);
    expect((await list("?userId=nobody")).entries).toEqual([]);
  });

  it("comes in pages", async () => {
    const found: string[] = [];
    for (let after = ""; ; ) {
      const page = await list(`?limit=2${after}`);
      expect(page.entries.length).toBeLessThanOrEqual(2);
      found.push(...short(page.entries));
      if (page.next === null) break;
      after = `&after=${page.next}`;
    }
    expect(found).toEqual(short((await list("")).entries));
  });

  it("is for admins, and shows a key nothing of a tenant that it is not bound to (L8)", async () => {
    expect((await list("", await token("ann"))).status).toBe(403);
    expect((await list("", keys.publisher)).status).toBe(403);
    expect((await house.call("GET", "/v1/deadletters")).status).toBe(401);
    expect(short((await list("", keys.acme)).entries)).toEqual(["acme/ann agent_thinking", "acme/ann tool_completed"]);
    expect((await list("?tenantId=default", keys.acme)).status).toBe(403);
    expect((await list("?userId=bob&tenantId=globex", keys.acme)).status).toBe(403);
    expect((await list("?runId=run-of-globex", keys.acme)).entries).toEqual([]);
    expect((await list("?tenantId=globex", keys.two)).entries.length).toBe(2);
    expect((await list("", keys.two)).status).toBe(403);
  });

  it.each(["?limit=0", "?limit=1001", "?limit=x", "?after=x", "?runId=a%20b", "?userId=", "?tenantId=%00"])(
    "refuses what is malformed: %s",
    async (query) => {
      expect((await list(query)).status).toBe(400);
    },
  );
});
