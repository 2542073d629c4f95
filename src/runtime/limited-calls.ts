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
 * alone. `recall` as `userTerms` has it. Fails: `TooMany`, else as the call does.
 */
export function limitedCalls(
  service: Limited,
  limits: Limits,
  streamOf: (tenantId: TenantId, runId: RunId) => StreamKey | undefined,
  recall: (stream: StreamKey) => Promise<void> | undefined,
): Limited {
  const taken = (take: () => void | Promise<void>) => answer(take);
  /** Takes when it is known which tier the user is in. */
  const known = (stream: StreamKey | undefined, take: () => void): void | Promise<void> =>
    (stream && recall(stream)?.then(take)) ?? take();
  return {
    startRun: (caller, body, traceparent) =>
      taken(() => {
        const tenantId = tenantOf(caller, body.tenantId as TenantId | undefined);
        const stream = streamNamed(tenantId, body.userId);
        return known(stream, () => limits.start(caller, stream));
      }).pipe(Effect.andThen(() => service.startRun(caller, body, traceparent))),
    publish: (caller, named, runId, body, traceparent) =>
      taken(() => {
        const stream = streamOf(tenantForRun(caller, named), runId);
        return known(stream, () => limits.publish(caller, stream, body.events.length));
      }).pipe(Effect.andThen(() => service.publish(caller, named, runId, body, traceparent))),
    notify: (caller, body) =>
      taken(() => {
        const tenantId = tenantOf(caller, body.tenantId as TenantId | undefined);
        const stream = streamNamed(tenantId, body.userId);
        return known(stream, () => limits.publish(caller, stream, 1));
      }).pipe(Effect.andThen(() => service.notify(caller, body))),
    cancel: (caller, ...rest) =>
      taken(() => limits.command(caller)).pipe(Effect.andThen(() => service.cancel(caller, ...rest))),
    resolveApproval: (caller, ...rest) =>
      taken(() => limits.command(caller)).pipe(Effect.andThen(() => service.resolveApproval(caller, ...rest))),
    ack: (caller, ...rest) =>
      taken(() => limits.frame(caller)).pipe(Effect.andThen(() => service.ack(caller, ...rest))),
  };
}
