/**
 * The names of things: branded ids, and what may be one. Everything that enters gets its brand from `codec`, by
 * `id-schemas`; everything behind it takes branded ids only, so a run id can never be used as an address
 * (LESSONS 6, 7). Ids are compared code point by code point: nothing is folded, trimmed or normalised (L8).
 */
import { anyName, runName } from "./name-rule.ts";

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

export type RunId = Branded<string, "RunId">;
export type UserId = Branded<string, "UserId">;
export type TenantId = Branded<string, "TenantId">;
/** Incarnation of a stream: it changes when a log was lost, restored or rebuilt. */
export type Epoch = Branded<string, "Epoch">;
export type ConnectionId = Branded<string, "ConnectionId">;
/** A tab or a device, as it names itself; cursors are kept under it. */
export type DeviceId = Branded<string, "DeviceId">;
/** The log of one user. Injective in (tenant, user): see `streamKey`. */
export type StreamKey = Branded<string, "StreamKey">;

/** Position in a stream, dense, from 1; 0 is "before the first". */
export type Offset = number;
/** Position in a run, dense, from 1. */
export type Seq = number;
/** Lease token of a run: a number that only grows; the newest wins (L14). */
export type Fence = number;

export interface Cursor {
  readonly epoch: Epoch;
  readonly offset: Offset;
}

/** Of a thread, a tool call, a message or an approval. */
export const isName = anyName.holds;

/** The tenant of a token or a call that names none. */
export const defaultTenant = "default" as TenantId;

export const asRunId = (text: string): RunId => text as RunId;
export const asUserId = (text: string): UserId => text as UserId;
export const asTenantId = (text: string): TenantId => text as TenantId;
export const asEpoch = (text: string): Epoch => text as Epoch;
export const asConnectionId = (text: string): ConnectionId => text as ConnectionId;
export const asDeviceId = (text: string): DeviceId => text as DeviceId;

export const isRunId = (value: unknown): value is RunId => typeof value === "string" && runName.holds(value);
export const isUserId = (value: unknown): value is UserId => typeof value === "string" && anyName.holds(value);
export const isTenantId = (value: unknown): value is TenantId => typeof value === "string" && anyName.holds(value);

/**
 * The key of a user's stream.
 *
 * Injective: the tenant's length stands first, so `a:b` + `c` and `a` + `b:c` never meet (L8).
 */
export function streamKey(tenantId: TenantId, userId: UserId): StreamKey {
  return `${tenantId.length}:${tenantId}:${userId}` as StreamKey;
}

/** The owner of a stream: the inverse of `streamKey`. */
export function streamOwner(stream: StreamKey): { tenantId: TenantId; userId: UserId } {
  const colon = stream.indexOf(":");
  const tenantEnd = colon + 1 + Number(stream.slice(0, colon));
  return {
    tenantId: stream.slice(colon + 1, tenantEnd) as TenantId,
    userId: stream.slice(tenantEnd + 1) as UserId,
  };
}

/** A run, wherever it is kept by name: its id is unique in its tenant only. Injective: a run id holds no "/". */
export type RunKey = Branded<string, "RunKey">;
export const runKey = (tenantId: TenantId, runId: RunId): RunKey => `${runId}/${tenantId}` as RunKey;

/** A device of a user. Injective: its length stands first. */
export const deviceKey = (stream: StreamKey, device: DeviceId): string => `${device.length}:${device}:${stream}`;
