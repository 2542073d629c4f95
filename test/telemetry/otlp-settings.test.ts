import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { readOtlp } from "../../src/telemetry/otlp-settings.ts";

const read = (ours: { otlpUrl?: string; otlpHeaders?: string }, env: Record<string, string> = {}) =>
  Effect.runPromise(readOtlp((name) => ({ text: ours[name] ?? "", called: name }), env));

describe("where traces go", () => {
  it("is nowhere, unless somebody says so", async () => {
    expect(await read({})).toBeUndefined();
    expect(await read({}, { OTEL_EXPORTER_OTLP_ENDPOINT: "" })).toBeUndefined();
  });

  it.each([
    ["http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"],
    ["http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"],
    ["https://otlp.example/base", "https://otlp.example/base/v1/traces"],
    ["https://otlp.example/v1/traces", "https://otlp.example/v1/traces"],
  ])("%s is %s", async (otlpUrl, url) => {
    expect(await read({ otlpUrl })).toEqual({ url, headers: {}, serviceName: "runcast" });
  });

  it("is what OpenTelemetry's variables say, where ours say nothing", async () => {
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://otel:4318",
      OTEL_EXPORTER_OTLP_HEADERS: "Authorization=Bearer%20x,x-team=a",
      OTEL_SERVICE_NAME: "agents",
    };
    expect(await read({}, env)).toEqual({
      url: "http://otel:4318/v1/traces",
      headers: { authorization: "Bearer x", "x-team": "a" },
      serviceName: "agents",
    });
    expect(await read({ otlpUrl: "http://ours:1", otlpHeaders: "a=b" }, env)).toMatchObject({
      url: "http://ours:1/v1/traces",
      headers: { a: "b" },
    });
  });

  it.each([
    [{ otlpUrl: "collector:4318" }, "otlpUrl"],
    [{ otlpUrl: "ftp://collector" }, "otlpUrl"],
    [{ otlpUrl: "http://c", otlpHeaders: "no value" }, "otlpHeaders"],
    [{ otlpUrl: "http://c", otlpHeaders: "a=%ZZ" }, "otlpHeaders"],
  ])("cannot be %j, and what was said is not shown", async (ours, setting) => {
    const failure = await read(ours).catch((cause: unknown) => cause);
    expect(failure).toMatchObject({ setting });
    for (const secret of Object.values(ours)) expect(JSON.stringify(failure)).not.toContain(secret);
  });
});
