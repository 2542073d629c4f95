/** Rung 6: alerts in the shape of Prometheus Alertmanager, `POST …/api/v2/alerts`. */
import { InvalidConfig } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/clock.ts";
import type { AlertSink, ToldAlert } from "../telemetry/alerts.ts";
import { EgressRules } from "./egress-rules.ts";
import { guardedPost } from "./guarded-request.ts";
import { requireTaken } from "./http-answer.ts";

export interface AlertmanagerOptions {
  /** Of the Alertmanager, with its path prefix if it has one; `user:password@` becomes a login. */
  readonly url: string;
  /** What has not been taken waits under it; two sinks have two. Default `alertmanager`. */
  readonly name?: string | undefined;
  /** Hosts and networks that it may call although they are not public, or by http; as `RUNCAST_EGRESS_ALLOW`. */
  readonly allow?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Where the operator looks. */
  readonly generatorUrl?: string | undefined;
}

/**
 * An alert that names no end is taken as over after five minutes, by Alertmanager's default. Ours is told once, so it
 * names one that is far: it ends before only by our word, and at last by itself if we are no more.
 */
const firingForMs = 86_400_000;
const path = "/api/v2/alerts";

/** Alertmanager refuses a whole call for one label with another name. */
const labelName = (name: string): string => name.replaceAll(/\W/g, "_").replace(/^(?=\d)/, "_");

function shapeOf(alert: ToldAlert, nowMs: number, generatorUrl: string | undefined): object {
  const { name, severity, summary, labels = {}, state, startedAt, endedAt } = alert;
  const given = Object.entries(labels).map(([key, value]) => [labelName(key), value] as const);
  const endMs = state === "firing" ? nowMs + firingForMs : nowMs;
  return {
    labels: { ...Object.fromEntries(given), alertname: name, severity, service: "runcast" },
    annotations: { summary },
    startsAt: startedAt,
    endsAt: state === "resolved" && endedAt !== undefined ? endedAt : new Date(endMs).toISOString(),
    ...(generatorUrl !== undefined && { generatorURL: generatorUrl }),
  };
}

function targetOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url;
  throw new InvalidConfig({ setting: "url", message: "must be an http:// or https:// URL" });
}

/** `user:password`, as they are meant. */
function loginOf({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  try {
    return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  } catch {
    throw new InvalidConfig({ setting: "url", message: "has a user or a password that is not percent-encoded" });
  }
}

/** Makes the sink. Fails: `InvalidConfig`. */
export function alertmanagerSink(options: AlertmanagerOptions): AlertSink {
  const { allow, timeoutMs, clock = systemClock, generatorUrl } = options;
  const post = guardedPost({ clock, rules: EgressRules.of(allow), timeoutMs });
  const target = targetOf(options.url);
  const login = loginOf(target);
  const headers = {
    "content-type": "application/json",
    ...(login !== undefined && { authorization: `Basic ${Buffer.from(login).toString("base64")}` }),
  };
  target.username = "";
  target.password = "";
  target.pathname = `${target.pathname.replace(/\/+$/, "")}${path}`;
  return {
    name: options.name ?? "alertmanager",
    send: async (alerts, signal) => {
      const nowMs = clock.now();
      const body = JSON.stringify(alerts.map((alert) => shapeOf(alert, nowMs, generatorUrl)));
      requireTaken("Alertmanager", await post({ url: target.href, headers, body, signal }));
    },
  };
}
