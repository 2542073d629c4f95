import { describe, expect, it } from "vitest";
import { metrics } from "../../src/telemetry/metrics.ts";
import { collected, prometheusText, prometheusTextOf } from "../../src/telemetry/prometheus.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

describe("the metrics", () => {
  it("have one name each, in Prometheus' alphabet, and a meaning", () => {
    const names = metrics.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, kind, help } of metrics) {
      expect(name).toMatch(/^[a-z][a-z_]*$/);
      expect(help, name).toMatch(/^[A-Z0-9].*\.$/);
      if (kind === "counter") expect(name).toMatch(/_total$/);
    }
  });

  it("show each breaker with its state, its health and how often it opened", async () => {
    const { parts } = await runtimeUnderTest({ breakers: { email: { maxFailures: 1 } } });
    parts.breakers.of("log");
    parts.breakers.of("email").enter()?.failed();
    const text = prometheusText({ runtime: parts.service.figures() });
    expect(text).toContain('runcast_breaker_state{breaker="log",state="closed"} 1\n');
    expect(text).toContain('runcast_breaker_state{breaker="email",state="open"} 1\n');
    expect(text).toContain('runcast_breaker_state{breaker="email",state="closed"} 0\n');
    expect(text).toContain('runcast_breaker_health{breaker="email"} 0\n');
    expect(text).toContain('runcast_breaker_opened_total{breaker="email"} 1\n');
  });

  it("escape what labels hold", async () => {
    const { parts } = await runtimeUnderTest();
    parts.breakers.of('a"b\\c\nd');
    const text = prometheusText({ runtime: parts.service.figures() });
    expect(text).toContain(String.raw`runcast_breaker_health{breaker="a\"b\\c\nd"} 100`);
  });
});

describe("the metrics of several workers", () => {
  it("stand on one page, each sample with its worker, each metric with one head", async () => {
    const one = await runtimeUnderTest();
    const two = await runtimeUnderTest();
    const workers = [
      { worker: 1, isUp: true, deaths: 2 },
      { worker: 3, isUp: false, deaths: 0 },
    ];
    const text = prometheusTextOf([
      { worker: 1, samples: collected({ runtime: one.parts.service.figures(), workers }) },
      { worker: 2, samples: collected({ runtime: two.parts.service.figures() }) },
    ]);
    expect(text).toContain('runcast_log_up{worker="1"} 1\nruncast_log_up{worker="2"} 1\n');
    expect(text).toContain('runcast_sent_to_acked_seconds_bucket{worker="2",le="+Inf"} 0\n');
    expect(text).toContain('runcast_worker_up{worker="1"} 1\nruncast_worker_up{worker="3"} 0\n');
    expect(text).toContain('runcast_worker_deaths_total{worker="1"} 2\n');
    for (const { name } of metrics) expect(text.split(`# TYPE ${name} `), name).toHaveLength(2);
    const series = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const names = series.map((line) => line.slice(0, line.lastIndexOf(" ")));
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !name.includes('worker="'))).toEqual([]);
  });
});
