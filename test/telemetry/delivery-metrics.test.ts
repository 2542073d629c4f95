import { describe, expect, it } from "vitest";
import { LatencyHistogram } from "../../src/telemetry/histogram.ts";
import { prometheusText } from "../../src/telemetry/prometheus.ts";
import { note } from "../support/events.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

const notes = (count: number) => Array.from({ length: count }, () => note());

async function world(options: Parameters<typeof runtimeUnderTest>[0] = {}) {
  const made = await runtimeUnderTest(options);
  const { service } = made.parts;
  return {
    ...made,
    counts: () => {
      const { attempts, deliveries, acked } = service.figures().delivery;
      return { attempts, deliveries, acked };
    },
    text: () => prometheusText({ runtime: service.figures() }),
  };
}

describe("the counts of delivery", () => {
  it("have every event once for each device: due, handed over, acknowledged", async () => {
    const { start, publish, connect, counts } = await world();
    const [first, second] = [await connect("alice"), await connect("alice")];
    const { runId, fence } = await start();
    await publish(runId, fence, notes(3));
    expect(counts()).toEqual({ attempts: 8, deliveries: 8, acked: 0 });
    first?.say({ type: "ack", offset: 4 });
    second?.say({ type: "ack", offset: 2 });
    second?.say({ type: "ack", offset: 1 });
    expect(counts().acked).toBe(6);
  });

  it("count what a device has missed as due when it comes back", async () => {
    const { start, publish, connect, counts, settle } = await world();
    const { runId, fence } = await start();
    await publish(runId, fence, notes(9));
    expect(counts()).toEqual({ attempts: 0, deliveries: 0, acked: 0 });
    const { epoch } = (await connect("alice", { from: "now" })).of("welcome")[0] ?? {};
    await connect("alice", { cursor: { epoch: epoch ?? "", offset: 4 } });
    await settle();
    expect(counts()).toMatchObject({ attempts: 6, deliveries: 6 });
  });

  it("do not count what a full window holds back as handed over, until it is", async () => {
    const { start, publish, connect, counts, settle } = await world({ windowEvents: 2 });
    const tab = await connect("alice", { from: "start" });
    const { runId, fence } = await start();
    await publish(runId, fence, notes(5));
    await settle();
    const before = counts();
    expect(before.attempts).toBe(6);
    expect(before.deliveries).toBeLessThan(6);
    for (let turn = 0; turn < 5; turn += 1) {
      tab.say({ type: "ack", offset: tab.events().at(-1)?.offset ?? 0 });
      await settle();
    }
    expect(counts()).toMatchObject({ attempts: 6, deliveries: 6 });
  });

  it("count what a filter leaves out with the range that covers it", async () => {
    const { start, publish, connect, counts, clock } = await world();
    await connect("alice", { from: "now", want: { types: ["x.nothing"] } });
    const { runId, fence } = await start();
    await publish(runId, fence, notes(3));
    expect(counts()).toMatchObject({ attempts: 4, deliveries: 0 });
    await clock.advance(16_000);
    expect(counts()).toMatchObject({ attempts: 4, deliveries: 4 });
  });
});

describe("the latencies", () => {
  it("are observed once for a commit that reached somebody, and once for a frame whose ack came", async () => {
    const { start, publish, connect, clock, text } = await world();
    const { runId, fence } = await start();
    await publish(runId, fence, notes(1));
    expect(text()).toContain("runcast_commit_to_sent_seconds_count 0\n");
    const tab = await connect("alice", { from: "now" });
    await publish(runId, fence, notes(1));
    await publish(runId, fence, notes(1));
    expect(text()).toContain("runcast_commit_to_sent_seconds_count 2\n");
    expect(text()).toContain('runcast_commit_to_sent_seconds_bucket{le="0.0005"} 2\n');
    await clock.advance(200);
    tab.say({ type: "ack", offset: 2 });
    expect(text()).toContain("runcast_sent_to_acked_seconds_count 0\n");
    tab.say({ type: "ack", offset: 4 });
    expect(text()).toContain("runcast_sent_to_acked_seconds_count 1\n");
    expect(text()).toContain("runcast_sent_to_acked_seconds_sum 0.2\n");
    expect(text()).toContain('runcast_sent_to_acked_seconds_bucket{le="0.1"} 0\n');
    expect(text()).toContain('runcast_sent_to_acked_seconds_bucket{le="0.25"} 1\n');
    expect(text()).toContain('runcast_sent_to_acked_seconds_bucket{le="+Inf"} 1\n');
  });

  it("fall into the bucket whose bound they do not pass, and the buckets add up", () => {
    const histogram = new LatencyHistogram();
    for (const ms of [0, 0.5, 0.51, 30_000, 30_001]) histogram.observeMs(ms);
    const at = (le: string) => histogram.samples().find(({ labels }) => labels?.["le"] === le)?.value;
    expect([at("0.0005"), at("0.001"), at("10"), at("30"), at("+Inf")]).toEqual([2, 3, 3, 4, 5]);
    expect(histogram.samples().at(-1)).toEqual({ suffix: "_count", value: 5 });
  });
});

describe("the other metrics of delivery", () => {
  it("count by code what the server closed, and by queue what waits", async () => {
    const { open, clock, text } = await world();
    const { connection } = await open();
    connection.malformed({ path: "", message: "is no JSON" });
    await open();
    await clock.advance(6_000);
    expect(text()).toContain('runcast_connections_closed_total{code="4400"} 1\n');
    expect(text()).toContain('runcast_connections_closed_total{code="4408"} 1\n');
    expect(text()).toContain('runcast_queue_depth{queue="log"} 0\n');
  });
});
