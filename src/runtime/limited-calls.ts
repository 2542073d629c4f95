/** The runtime's calls with their limits before them: who is above one is refused before anything is looked up. */
import * as Effect from "effect/Effect";
import type { RunId, StreamKey, TenantId, UserId } from "../../protocol/ids.ts";
import { streamKey } from "../../protocol/ids.ts";
import { answer } from "./answer.ts";
import { tenantForRun, tenantOf } from "./gate.ts";
import type { Limits } from "./limits.ts";
import type { RuntimeService } from "./runtime.ts";

type Limited = Pick<RuntimeService, "startRun" | "publish" | "notify" | "cancel" | "resolveApproval" | "ack">;

const streamNamed = (tenantId: TenantId, userId: string): StreamKey => streamKey(tenantId, userId as UserId);

/**
 * The calls of `service` that are limited.
 *
 * Shape: `streamOf` says whose run it is, when it is at hand; one that must be brought back first is counted for its key
 * alone. Fails: `TooMany`, else as the call does.
 */
export function limitedCalls(
  service: Limited,
  limits: Limits,
  streamOf: (tenantId: TenantId, runId: RunId) => StreamKey | undefined,
): Limited {
  const taken = (take: () => void) => answer(take);
  return {
    startRun: (caller, body, traceparent) =>
      taken(() => {
        const tenantId = tenantOf(caller, body.tenantId as TenantId | undefined);
        limits.start(caller, streamNamed(tenantId, body.userId));
      }).pipe(Effect.andThen(() => service.startRun(caller, body, traceparent))),
    publish: (caller, named, runId, body, traceparent) =>
      taken(() => {
        limits.publish(caller, streamOf(tenantForRun(caller, named), runId), body.events.length);
      }).pipe(Effect.andThen(() => service.publish(caller, named, runId, body, traceparent))),
    notify: (caller, body) =>
      taken(() => {
        const tenantId = tenantOf(caller, body.tenantId as TenantId | undefined);
        limits.publish(caller, streamNamed(tenantId, body.userId), 1);
      }).pipe(Effect.andThen(() => service.notify(caller, body))),
    cancel: (caller, ...rest) =>
      taken(() => limits.command(caller)).pipe(Effect.andThen(() => service.cancel(caller, ...rest))),
    resolveApproval: (caller, ...rest) =>
      taken(() => limits.command(caller)).pipe(Effect.andThen(() => service.resolveApproval(caller, ...rest))),
    ack: (caller, ...rest) =>
      taken(() => limits.frame(caller)).pipe(Effect.andThen(() => service.ack(caller, ...rest))),
  };
}
