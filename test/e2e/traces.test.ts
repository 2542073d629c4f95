import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { apiKeys, BuiltServer, userToken } from "../support/built-server.ts";
import { hello } from "../gateway/support/socket.ts";

interface OtlpSpan {
  readonly traceId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

/** What an OTLP/HTTP collector is sent. */
async function openCollector() {
  const spans: OtlpSpan[] = [];
  const calls: { path: string | undefined; authorization: string | undefined }[] = [];
  let texts = "";
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => {
      text += String(chunk);
    });
    request.on("end", () => {
      texts += text;
      calls.push({ path: request.url, authorization: request.headers.authorization });
      const { resourceSpans } = JSON.parse(text) as {
        resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[];
      };
      for (const { scopeSpans } of resourceSpans) for (const each of scopeSpans) spans.push(...each.spans);
      response.end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    calls,
    text: () => texts,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";

describe("the built server's traces", () => {
  it("reach a collector over OTLP with the trace of the runner, and are flushed by the drain", async () => {
    using collector = await openCollector();
    await using server = await BuiltServer.start({
      env: { RUNCAST_OTLP_URL: collector.url, RUNCAST_OTLP_HEADERS: "authorization=Bearer%20canary-collector" },
    });
    const tab = await hello(server.url, await userToken("canary-user"));
    await tab.nextOf("welcome");
    const post = (path: string, body: unknown) =>
      fetch(server.url + path, {
        method: "POST",
        headers: { authorization: `Bearer ${apiKeys.both}`, traceparent: `00-${traceId}-${spanId}-01` },
        body: JSON.stringify(body),
      });
    const made = await post("/v1/runs", { userId: "canary-user", agent: "a", runId: "traced", input: "canary-input" });
    expect(made.status).toBe(201);
    await post("/v1/runs/traced/events", {
      fence: 1,
      events: [{ type: "agent_completed", data: { output: "canary" } }],
    });
    const { events } = await tab.nextOf("events");
    expect(events[0]?.traceparent).toContain(traceId);
    expect((await server.terminate()).code).toBe(0);
    const mine = collector.spans.filter((span) => span.traceId === traceId);
    expect(new Set(mine.map(({ name }) => name))).toEqual(new Set(["runcast.append", "runcast.deliver"]));
    expect(new Set(mine.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([spanId]));
    for (const { startTimeUnixNano, endTimeUnixNano } of mine) {
      expect(Math.abs(Number(startTimeUnixNano) / 1e6 - Date.now())).toBeLessThan(120_000);
      expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano));
    }
    expect(collector.calls[0]).toEqual({ path: "/v1/traces", authorization: "Bearer canary-collector" });
    expect(collector.text()).not.toMatch(/canary-(user|input)/);
    expect(server.stdout + server.stderr).not.toContain("canary-collector");
  });

  it("cost nothing but themselves when no collector answers", async () => {
    await using server = await BuiltServer.start({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" } });
    const made = await fetch(`${server.url}/v1/runs`, {
      method: "POST",
      headers: { authorization: `Bearer ${apiKeys.both}` },
      body: JSON.stringify({ userId: "alice", agent: "a" }),
    });
    expect(made.status).toBe(201);
    const { code, ms } = await server.terminate();
    expect(code).toBe(0);
    expect(ms).toBeLessThan(10_000);
  });
});
