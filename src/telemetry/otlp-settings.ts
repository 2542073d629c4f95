/** Where a server sends its traces: our own settings, or OpenTelemetry's variables where ours say nothing. */
import * as Effect from "effect/Effect";
import type { Setting } from "../config-values.ts";
import { wrong } from "../config-values.ts";
import type { InvalidConfig } from "../errors.ts";

export interface OtlpSetting {
  /** Where traces are taken, as in `http://127.0.0.1:4318/v1/traces`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** `service.name` of every span. */
  readonly serviceName: string;
}

/** Both may hold a token. */
export const otlpSettings = {
  otlpUrl: {
    env: "RUNCAST_OTLP_URL",
    default: "",
    right: "the http:// or https:// URL of an OTLP/HTTP collector, as in http://127.0.0.1:4318",
    secret: true,
  },
  otlpHeaders: {
    env: "RUNCAST_OTLP_HEADERS",
    default: "",
    right: "name=value, separated by commas, each value URI-encoded",
    secret: true,
  },
} as const satisfies Record<string, Setting>;

type Name = keyof typeof otlpSettings;

interface Given {
  readonly text: string;
  readonly called: string;
}

const tracesPath = "v1/traces";
const otelEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
const otelHeaders = "OTEL_EXPORTER_OTLP_HEADERS";

/** Undefined: nobody traces. Fails: `InvalidConfig`. */
export function readOtlp(
  given: (name: Name) => Given,
  env: Readonly<Record<string, string | undefined>>,
): Effect.Effect<OtlpSetting | undefined, InvalidConfig> {
  const orOtel = (name: Name, variable: string): Given =>
    given(name).text === "" && env[variable] ? { text: env[variable], called: variable } : given(name);
  const url = orOtel("otlpUrl", otelEndpoint);
  const headers = orOtel("otlpHeaders", otelHeaders);
  if (url.text === "") return Effect.succeed(undefined);
  const place = tracesUrl(url.text);
  if (place === undefined) return Effect.fail(wrong(otlpSettings.otlpUrl, url.called, url.text));
  const named = headersOf(headers.text);
  if (named === undefined) return Effect.fail(wrong(otlpSettings.otlpHeaders, headers.called, headers.text));
  return Effect.succeed({ url: place, headers: named, serviceName: env["OTEL_SERVICE_NAME"] || "runcast" });
}

/** The collector's own path for traces, unless it is named. */
function tracesUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
  if (!url.pathname.endsWith(`/${tracesPath}`))
    url.pathname += url.pathname.endsWith("/") ? tracesPath : `/${tracesPath}`;
  return url.href;
}

function headersOf(text: string): Record<string, string> | undefined {
  const headers: Record<string, string> = {};
  for (const pair of text.split(",").filter((each) => each.trim() !== "")) {
    const [, name, value = ""] = /^\s*([\w-]+)\s*=(.*)$/.exec(pair) ?? [];
    if (name === undefined) return undefined;
    try {
      headers[name.toLowerCase()] = decodeURIComponent(value.trim());
    } catch {
      return undefined;
    }
  }
  return headers;
}
