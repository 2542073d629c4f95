/** A whole server in this process: real runtime over the in-memory log, real sockets on a free loopback port. */
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Scope from "effect/Scope";
import { asTenantId, asUserId, defaultTenant } from "../../../protocol/ids.ts";
import { ApiKeys, parseApiKeys } from "../../../src/auth/api-key.ts";
import { jwtAuthenticator } from "../../../src/auth/jwt.ts";
import { signToken } from "../../../src/auth/sign.ts";
import type { GatewayOptions } from "../../../src/gateway/desk.ts";
import type { Serving } from "../../../src/gateway/serve.ts";
import { serve } from "../../../src/gateway/serve.ts";
import { memoryLog } from "../../../src/log/memory.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { makeRuntime } from "../../../src/runtime/make-runtime.ts";
import type { RuntimeOptions } from "../../../src/runtime/options.ts";
import type { RuntimeService } from "../../../src/runtime/runtime.ts";
import type { Alerts } from "../../../src/telemetry/alerts.ts";
import type { Journal } from "../../../src/telemetry/journal.ts";

export const secret = "the-secret-of-the-gateway-tests-0123456789";
export const keys = {
  publisher: "key-publisher",
  admin: "key-admin",
  both: "key-both",
  acme: "key-acme",
  two: "key-two-tenants",
} as const;

const apiKeys = [
  `publisher:${keys.publisher}`,
  `admin:${keys.admin}:*:admin`,
  `both:${keys.both}:*:publish+admin`,
  `acme:${keys.acme}:acme:publish+admin`,
  `two:${keys.two}:acme,globex:publish+admin`,
].join(";");

const tokenTtlMs = 600_000;

/** A JWT of the house. */
export function token(userId = "alice", tenantId: string = defaultTenant, ttlMs = tokenTtlMs): Promise<string> {
  return signToken({ secret, userId: asUserId(userId), tenantId: asTenantId(tenantId), ttlMs, clock: systemClock });
}

export interface JournalRecord {
  readonly level: string;
  readonly what: string;
  readonly fields: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // Tests look into answers as a stranger would.
  readonly body: ReturnType<typeof JSON.parse>;
}

export interface House extends Serving {
  readonly runtime: RuntimeService;
  readonly alerts: Alerts;
  readonly journal: JournalRecord[];
  /** Opens the doors; `openHouse` has done so unless it was told not to. */
  readonly start: () => Promise<void>;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Starts a run as the publisher and gives its answer's body. */
  startRun(
    body?: Record<string, unknown>,
  ): Promise<{ runId: string; fence: number; seq: number; offset: number; epoch: string }>;
  close(): Promise<void>;
}

export interface CallOptions {
  readonly as?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

export interface HouseOptions {
  readonly runtime?: Partial<RuntimeOptions>;
  readonly gateway?: Partial<GatewayOptions>;
  readonly isStarted?: boolean;
}

function parsed(text: string): Answer["body"] {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export async function openHouse(options: HouseOptions = {}): Promise<House> {
  const records: JournalRecord[] = [];
  const journal: Journal = { write: (level, what, fields) => records.push({ level, what, fields }) };
  const authenticator = await Effect.runPromise(
    jwtAuthenticator({ key: { kind: "secret", secret }, clock: systemClock }),
  );
  const parts = makeRuntime({
    log: memoryLog(),
    authenticate: (given) => Effect.runPromise(authenticator.authenticate(given)),
    journal,
    ...options.runtime,
  });
  const scope = Scope.makeUnsafe();
  const gateway: GatewayOptions = {
    runtime: parts.service,
    authenticator,
    apiKeys: new ApiKeys(await Effect.runPromise(parseApiKeys(apiKeys))),
    journal,
    ...options.gateway,
  };
  const serving = await Effect.runPromise(Scope.provide(serve({ ...gateway, host: "127.0.0.1", port: 0 }), scope));
  const start = async (): Promise<void> => {
    await parts.prepare();
    await parts.start();
  };
  if (options.isStarted !== false) await start();
  const call: House["call"] = async (method, path, { as, body, headers } = {}) => {
    const response = await fetch(`${serving.url}${path}`, {
      method,
      redirect: "manual",
      headers: { ...(as !== undefined && { authorization: `Bearer ${as}` }), ...headers },
      ...(body !== undefined && {
        body: typeof body === "string" || body instanceof Uint8Array ? (body as BodyInit) : JSON.stringify(body),
      }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parsed(text) };
  };
  return {
    ...serving,
    runtime: parts.service,
    alerts: parts.alerts,
    journal: records,
    start,
    call,
    startRun: async (body) => {
      const made = await call("POST", "/v1/runs", {
        as: keys.both,
        body: { userId: "alice", agent: "tester", ...body },
      });
      if (made.status !== 201) throw new Error(`the run was not made: ${made.status} ${made.text}`);
      return made.body;
    },
    close: async () => {
      await Effect.runPromise(parts.service.drain);
      await Effect.runPromise(Scope.close(scope, Exit.void));
    },
  };
}
