/**
 * The composition root: log, authenticator, runtime and gateway put together once, as layers and scopes, for both
 * who embed Runcast and the server itself.
 */
import { join } from "node:path";
import * as Cause from "effect/Cause";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Layer from "effect/Layer";
import * as Scope from "effect/Scope";
import { check } from "../protocol/codec.ts";
import { liftSchema, revokeSchema } from "../protocol/access.ts";
import { cancelSchema, noticeSchema, resolveApprovalSchema, startRunSchema } from "../protocol/http.ts";
import type { TenantId, UserId } from "../protocol/ids.ts";
import { asRunId, asTenantId, defaultTenant, isTenantId, isUserId, streamKey } from "../protocol/ids.ts";
import type { Decoded } from "../protocol/json.ts";
import { fencedJournal, fencedObserver, fencedOrphans } from "./application-callbacks.ts";
import { ApiKeys, parseApiKeys } from "./auth/api-key.ts";
import { auditOf } from "./audit-option.ts";
import type { Authenticator } from "./auth/authenticator.ts";
import { jwtAuthenticator } from "./auth/jwt.ts";
import { application } from "./auth/principal.ts";
import { checkedBy } from "./auth/token-check.ts";
import type { StoreSetting } from "./config-values.ts";
import { isSharedStore, store as parseStore, storeShape } from "./config-values.ts";
import type { InvalidConfig } from "./errors.ts";
import { InvalidInput, RunEnded } from "./errors.ts";
import type { GatewayOptions } from "./gateway/desk.ts";
import { Gateway } from "./gateway/gateway.ts";
import type { EventLog } from "./log/event-log.ts";
import { EventLogTag } from "./log/layer.ts";
import { storeLayer } from "./log/store-layer.ts";
import { systemClock } from "./platform/clock.ts";
import { loopDelayWatch } from "./platform/process-figures.ts";
import type { Runcast, RuncastOptions } from "./runcast.ts";
import { EmbeddedRun } from "./runtime/embedded-run.ts";
import { eventIds } from "./runtime/event-id.ts";
import { follow } from "./runtime/follow.ts";
import type { RuntimeParts } from "./runtime/runtime-parts.ts";
import { Parts, partsLayer } from "./runtime/layer.ts";
import type { OpenedSpool } from "./runtime/options.ts";
import type { AlertPlace } from "./telemetry/alert-keep.ts";
import { alertDocument, alertFile } from "./telemetry/alert-places.ts";
import { AlertRelay } from "./telemetry/alert-relay.ts";
import { checkTiers } from "./tiers-setting.ts";
import { trustedProxiesOf } from "./trusted-proxies.ts";
import type { Journal } from "./telemetry/journal.ts";
import { silentJournal } from "./telemetry/journal.ts";
import { openSpool } from "./spool/open-spool.ts";

const defaultStore = "sqlite:./runcast.db";

function valid<Value>(decoded: Decoded<Value>): Value {
  if (decoded.ok) return decoded.value;
  throw new InvalidInput({ code: "invalid", ...decoded.issue });
}

function ownerOf(userId: string, tenantId: string | undefined): { tenantId: TenantId; userId: UserId } {
  const tenant = tenantId ?? defaultTenant;
  if (!isUserId(userId)) throw new InvalidInput({ code: "invalid", path: "userId", message: "is not a user id" });
  if (!isTenantId(tenant)) throw new InvalidInput({ code: "invalid", path: "tenantId", message: "is not a tenant id" });
  return { tenantId: tenant, userId };
}

export interface MadeRuncast {
  readonly runcast: Runcast;
  /** For whoever serves it: everything the gateway asks for. */
  readonly gateway: GatewayOptions;
}

function storeOf(store: RuncastOptions["store"]): Effect.Effect<StoreSetting | EventLog, InvalidConfig> {
  if (typeof store !== "string" && store !== undefined) return Effect.succeed(store);
  const setting = { env: "RUNCAST_STORE", default: defaultStore, right: storeShape };
  return parseStore({ text: store ?? defaultStore, called: "store" }, setting);
}

/**
 * In the spool, where that is files: an alert may be about the log. Else beside the store's file; in the log, where that is
 * somebody's own or shared; nowhere, where nothing outlives the process.
 */
function alertPlaceOf(
  store: StoreSetting | EventLog,
  spool: OpenedSpool | undefined,
  log: EventLog,
): AlertPlace | undefined {
  if (spool?.folder !== undefined) return alertFile(join(spool.folder, "alerts"));
  if (!("kind" in store) || isSharedStore(store)) return alertDocument(log);
  return store.kind === "sqlite" ? alertFile(`${store.file}.alerts`) : undefined;
}

/**
 * Makes a Runcast within a scope: closing the scope drains it.
 *
 * Fails: `InvalidConfig` for an option that cannot be used, `LogUnavailable` when the store does not open.
 */
export const makeRuncast = Effect.fnUntraced(function* (options: RuncastOptions) {
  const { store, commit = "fsync", spool, auth, jwtIssuer, jwtAudience, apiKeys, allowedOrigins, ...given } = options;
  const { audit: auditSetting, auditKey, trustedProxies, ...rest } = given;
  const clock = rest.clock ?? systemClock;
  const journal = fencedJournal(rest.journal ?? silentJournal);
  const onOrphan = fencedOrphans(rest.onOrphan, journal);
  let authenticator: Authenticator;
  if (typeof auth === "function") authenticator = checkedBy(auth, clock, journal);
  else if ("authenticate" in auth) authenticator = auth;
  else authenticator = yield* jwtAuthenticator({ key: auth, clock, issuer: jwtIssuer, audience: jwtAudience });
  const entries = typeof apiKeys === "string" ? yield* parseApiKeys(apiKeys, "apiKeys") : (apiKeys ?? []);
  const tiers = yield* checkTiers(rest.tiers ?? {}, "tiers");
  const proxies = yield* trustedProxiesOf(trustedProxies, "trustedProxies");
  const authenticate = (token: string) => Effect.runPromise(authenticator.authenticate(token));
  const where = yield* storeOf(store);
  const alerts = new AlertRelay();
  const auditLog = yield* auditOf(auditSetting, auditKey, where, { clock, alerts });
  // Its figures are this machine's: where time is made by hand, they say nothing.
  const watch = clock === systemClock ? loopDelayWatch() : undefined;
  yield* Effect.addFinalizer(() => Effect.sync(() => watch?.stop()));
  const opened = yield* openSpool({ spool, store: where, commit, clock, journal });
  const log = Context.get(yield* Layer.build(storeLayer(where, commit)), EventLogTag);
  const alertPlace = alertPlaceOf(where, opened, log);
  const more = { alertPlace, loopDelay: watch?.read, spool: opened };
  const services = yield* Layer.build(
    partsLayer({ ...rest, tiers, clock, journal, auditLog, onOrphan, authenticate, ...more }).pipe(
      Layer.provideMerge(Layer.succeed(EventLogTag, log)),
    ),
  );
  const parts = Context.get(services, Parts);
  alerts.connect(parts.alerts);
  const gateway: Doors = {
    runtime: parts.service,
    authenticator,
    apiKeys: new ApiKeys(entries),
    allowedOrigins,
    tiers,
    trustedProxies: proxies,
    alerts: parts.alerts,
    clock,
    journal,
  };
  const made: MadeRuncast = { runcast: embedded(parts, gateway, eventIds(clock)), gateway };
  return made;
});

/** What the gateway asks for, with the journal that everybody has. */
type Doors = GatewayOptions & { readonly journal: Journal };

/** The embedding API over the assembled parts. Who owns the scope closes it after `close`. */
function embedded(parts: RuntimeParts, options: Doors, nextId: () => string): Runcast {
  const gateway = new Gateway(options);
  const { journal } = options;
  const { service, log, runs, supervisor, flags, facadeCalls } = parts;
  const attached: (() => void)[] = [];
  return {
    runtime: service,
    startRun: async (body) => {
      const checked = valid(check(startRunSchema, body));
      supervisor.requireAccepting();
      const { tenantId } = ownerOf(checked.userId, checked.tenantId);
      const { answer, desk } = await runs.start(tenantId, checked);
      if (desk === undefined)
        throw new RunEnded({ state: (await runs.stateOf(tenantId, answer.runId)) ?? "completed" });
      return new EmbeddedRun(runs, desk, nextId);
    },
    claim: async (runId, tenantId = defaultTenant) => {
      const { desk } = await runs.claim(asTenantId(tenantId), asRunId(runId));
      return new EmbeddedRun(runs, desk, nextId);
    },
    cancel: async (runId, { tenantId = defaultTenant, ...body } = {}) =>
      Effect.runPromise(
        service.cancel(application, asTenantId(tenantId), asRunId(runId), valid(check(cancelSchema, body))),
      ),
    resolveApproval: async (approvalId, { tenantId = defaultTenant, ...body }) => {
      const checked = valid(check(resolveApprovalSchema, body));
      await Effect.runPromise(service.resolveApproval(application, asTenantId(tenantId), approvalId, checked));
    },
    notify: async (notice) => Effect.runPromise(service.notify(application, valid(check(noticeSchema, notice)))),
    delivered: async ({ runId, tenantId = defaultTenant, ...question }) =>
      Effect.runPromise(service.delivered(application, asTenantId(tenantId), asRunId(runId), question)),
    noteFacadeCall: (name) => facadeCalls.count(name),
    events: ({ userId, tenantId, after, signal }) => {
      const owner = ownerOf(userId, tenantId);
      return follow(log, streamKey(owner.tenantId, owner.userId), after, signal);
    },
    run: (runId, tenantId = defaultTenant) =>
      Effect.runPromise(service.run(application, asTenantId(tenantId), asRunId(runId))),
    flags: {
      get: () => flags.get(),
      set: (patch, expectedVersion) => flags.set(patch, application.name, expectedVersion),
      rollback: () => flags.rollback(application.name),
    },
    revoke: (target) => Effect.runPromise(service.revoke(application, valid(check(revokeSchema, target)))),
    liftRevocation: (target) =>
      Effect.runPromise(service.liftRevocation(application, valid(check(liftSchema, target)))),
    attach: (server) => {
      attached.push(gateway.attach(server));
    },
    inspect: (observer) => {
      const detach = (): void => subscription.unsubscribe();
      const subscription = supervisor.root.system.inspect(fencedObserver(observer, journal, detach));
      return detach;
    },
    close: async () => {
      await Effect.runPromise(service.drain);
      for (const detach of attached.splice(0)) detach();
    },
  };
}

/**
 * Opens the store and starts taking runs and connections. Call `close` before the process ends.
 *
 * Fails: `InvalidConfig`, `LogUnavailable`.
 */
export async function createRuncast(options: RuncastOptions): Promise<Runcast> {
  const scope = Scope.makeUnsafe();
  const exit = await Effect.runPromiseExit(makeRuncast(options).pipe(Scope.provide(scope)));
  const closeScope = (): Promise<void> => Effect.runPromise(Scope.close(scope, Exit.void));
  if (Exit.isSuccess(exit)) {
    const { runcast } = exit.value;
    return { ...runcast, close: () => runcast.close().then(closeScope) };
  }
  await closeScope();
  throw Cause.squash(exit.cause);
}
