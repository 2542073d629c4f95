/** Retention and compaction on the built server, as its operator set them. */
import { describe, expect, it } from "vitest";
import { BlackBox, done } from "../support/black-box.ts";
import { apiKeys, userToken } from "../support/built-server.ts";
import { eventually } from "../support/eventually.ts";

const env = { RUNCAST_RETENTION_MS: "2500", RUNCAST_COMPACT_AFTER_MS: "100" };
const words = ["It ", "is ", "forty", "-", "two"];

/** A value of `/metrics`. */
async function figure(box: BlackBox, name: string): Promise<number> {
  const { text } = await box.call("GET /metrics");
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
}

describe("retention of the built server", () => {
  it("compacts what has ended, then takes it, tells its operator, and goes on from there after kill -9", async () => {
    await using box = await BlackBox.start({ env });
    const alice = await userToken("alice");
    const run = await box.start();
    const living = await box.start({ userId: "bob" });
    for (const [index, text] of words.entries()) {
      const data = { messageId: "m1", channel: "text", text };
      await box.say(run, [{ type: "agent_delta", data, key: `k${index}` }]);
    }
    await box.say(run, [done]);
    await eventually(async () => expect(await figure(box, "runcast_deltas_merged_total")).toBe(words.length - 1));
    // Within the message: what is left of it, and a retry of what became part of it.
    const page = await box.call("GET /v1/events?after=4", { as: alice });
    if (page.body.gap === undefined) {
      expect(page.body.events.map((event: { offset: number }) => event.offset)).toEqual([6, 7]);
      expect(page.body.events[0].data.text).toBe("-two");
    }

    await eventually(async () => expect((await box.call(`GET /v1/runs/${run.runId}`, { as: alice })).status).toBe(404));
    const after = await box.call("GET /v1/events?after=2", { as: alice });
    expect(after.body).toEqual({ events: [], next: null, gap: { from: 3, upto: 7, reason: "retention" } });
    expect((await box.call("GET /v1/ledger?userId=alice", { as: apiKeys.admin })).body).toEqual({
      ...{ accepted: 7, acked: 0, stored: 0, deadLettered: 7, difference: 0 },
    });
    expect((await box.call("GET /v1/deadletters?userId=alice", { as: apiKeys.admin })).body.entries).toMatchObject([
      { kind: "retired", from: 1, upto: 7, events: 7 },
    ]);
    expect(await figure(box, "runcast_events_dead_lettered_total")).toBe(7);
    expect(box.server.stderr).toContain('"what":"events.deadLettered"');
    expect(box.server.stderr).not.toContain("forty");

    await box.server.kill9();
    await box.server.restart();
    expect((await box.call(`GET /v1/runs/${living.runId}`, { as: apiKeys.admin })).body.state).toBe("started");
    const next = await box.start();
    expect(next).toMatchObject({ epoch: run.epoch, offset: 8, seq: 1 });
  });
});
