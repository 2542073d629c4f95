/**
 * The server that `runcast serve` runs: one Runcast, our own HTTP server in front of it, and for who tries it out dev
 * mode and the demo agent. It lives as long as its scope; closing that drains first and lets go of the store last.
 */
import { fileURLToPath } from "node:url";
import * as Effect from "effect/Effect";
import type { AuditLog } from "./auth/audit-log.ts";
import type { DevMode } from "./auth/dev-mode.ts";
import { devApiKey, devSecretFile, devUsers, openDevMode } from "./auth/dev-mode.ts";
import type { JwtKey } from "./auth/jwt.ts";
import type { Config } from "./config.ts";
import { isSharedStore } from "./config-values.ts";
import type { DemoServer } from "./demo/demo-server.ts";
import { outletsOf } from "./fallback/from-config.ts";
import type { GatewayOptions } from "./gateway/desk.ts";
import { serve } from "./gateway/serve.ts";
import { StaticFiles } from "./gateway/static-files.ts";
import { makeRuncast } from "./make-runcast.ts";
import type { Clock } from "./platform/clock.ts";
import { systemClock } from "./platform/clock.ts";
import type { Alerts } from "./telemetry/alerts.ts";
import { silentAlerts } from "./telemetry/alerts.ts";
import type { OtlpSetting } from "./telemetry/otlp-settings.ts";
import type { Journal } from "./telemetry/journal.ts";
import type { Collected } from "./telemetry/prometheus.ts";

export interface ServerOptions {
  readonly config: Config;
  readonly journal: Journal;
  /** Answers what users send with the demo agent. */
  readonly isDemo: boolean;
  /** What a worker has of its primary, where several processes serve one port. */
  readonly worker?: WorkerTerms | undefined;
}

export interface WorkerTerms {
  readonly port: number;
  /** Instead of a file of its own, which only one process can write. */
  readonly audit: AuditLog | undefined;
  readonly colleagues: GatewayOptions["colleagues"];
}

export interface RunningServer {
  /** As in `http://127.0.0.1:7420`. */
  readonly url: string;
  readonly port: number;
  /** Undefined when a secret or a key set is configured. */
  readonly devMode: DevMode | undefined;
  readonly alerts: Alerts;
  readonly collected: () => Collected;
  /** Takes no new sockets, and gives those that are there a moment to hear that they are to ask elsewhere. */
  readonly leave: () => Promise<void>;
}

/** Of who publishes at all, the next call comes within it: it is answered, and the one after it goes to another worker. */
const leaveMs = 500;
/** After the drain the doors stand this long and answer 503, so that who balances load sees `/readyz` change. */
const lingerMs = 500;

/** The built page: beside the compiled server, or in `dist` when the sources run. */
function readConsole(pushKey: string | undefined): StaticFiles | undefined {
  const folders = ["../console", "../dist/console"].map((folder) => fileURLToPath(new URL(folder, import.meta.url)));
  for (const folder of folders) {
    const files = StaticFiles.read(folder, pushKey === undefined ? {} : { "runcast-push-key": pushKey });
    if (files !== undefined) return files;
  }
  return undefined;
}

const devAuth = Effect.fnUntraced(function* (secretFile: string) {
  const devMode: DevMode = yield* openDevMode(secretFile, systemClock);
  const auth: JwtKey = { kind: "secret", secret: devMode.secret };
  return { auth, devMode };
});

const tracerOf = Effect.fnUntraced(function* (otlp: OtlpSetting, clock: Clock) {
  const { otlpTracer } = yield* Effect.promise(() => import("./telemetry/otlp-tracer.ts"));
  return yield* otlpTracer(otlp, clock);
});

/**
 * Starts the server within a scope.
 *
 * Fails: `InvalidConfig` for a setting that cannot be used, the address included; `LogUnavailable` when the store
 * does not open.
 */
export const startServer = Effect.fnUntraced(function* ({ config, journal, isDemo, worker }: ServerOptions) {
  const clock = systemClock;
  const { jwtKey } = config;
  const databaseFile = config.store.kind === "sqlite" ? config.store.file : undefined;
  const { auth, devMode } =
    jwtKey === undefined
      ? yield* devAuth(devSecretFile(databaseFile, process.cwd()))
      : { auth: jwtKey, devMode: undefined };
  // Loaded on demand: who serves real agents needs none of it.
  const demo: DemoServer | undefined = isDemo
    ? (yield* Effect.promise(() => import("./demo/demo-server.ts"))).demoServer(journal)
    : undefined;

  // Loaded on demand: who does not trace carries no exporter.
  const tracer = config.otlp && (yield* tracerOf(config.otlp, clock));
  const { channels, alertSinks } = yield* outletsOf(config.channels, clock, journal);
  const made = yield* makeRuncast({
    store: config.store,
    commit: config.commit,
    spool: config.spool,
    auth,
    jwtIssuer: config.jwtIssuer,
    jwtAudience: config.jwtAudience,
    heartbeatMs: config.heartbeatMs,
    leaseMs: config.leaseMs,
    graceMs: config.graceMs,
    retentionMs: config.retentionMs,
    compactAfterMs: config.compactAfterMs,
    tiers: config.tiers,
    trustedProxies: config.trustedProxies,
    confirmAuth: config.confirmAuth,
    channels,
    alertSinks,
    tracer,
    vapidPublicKey: config.channels.webPush?.publicKey,
    escalation: { critical: config.critical, ackWaitMs: config.ackWaitMs, publicUrl: config.publicUrl },
    audit: worker?.audit ?? (config.audit === undefined ? "off" : `file:${config.audit}`),
    auditKey: config.auditKey,
    breakers: config.breakers,
    apiKeys: [...config.apiKeys, ...(devMode === undefined ? [] : [devApiKey(devMode)])],
    allowedOrigins: config.allowedOrigins,
    clock,
    journal,
    onCommand: demo?.onCommand,
    // On a shared store they may be those of another node that lives: their leases say so when it does not.
    onOrphan: isSharedStore(config.store) ? undefined : demo?.onOrphan,
  });
  demo?.begin(made.runcast);

  const serving = yield* serve({
    ...made.gateway,
    console: readConsole(config.channels.webPush?.publicKey),
    devUsers: devMode === undefined ? undefined : () => devUsers(devMode, clock),
    host: config.host,
    port: worker?.port ?? config.port,
    colleagues: worker?.colleagues,
  });
  // Added last, so it runs first: users hear a goodbye while the doors still stand.
  yield* Effect.addFinalizer(() => Effect.andThen(made.gateway.runtime.drain, Effect.sleep(lingerMs)));
  const running: RunningServer = {
    url: serving.url,
    port: serving.port,
    devMode,
    alerts: made.gateway.alerts ?? silentAlerts,
    collected: () => serving.gateway.collected(),
    leave: () => {
      serving.leave();
      return new Promise((resolve) => clock.after(leaveMs, resolve));
    },
  };
  return running;
});
