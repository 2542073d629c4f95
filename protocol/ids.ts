/**
 * The names of things: branded ids and the one schema of each. Everything that enters gets its brand from
 * `codec`; everything behind it takes branded ids only, so a run id can never be used as an address
 * (LESSONS 6, 7). Ids are compared code point by code point: nothing is folded, trimmed or normalised (L8).
 */
import * as z from "zod/mini";

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

const maxNameChars = 256;
const maxRunIdChars = 128;
const maxDeviceChars = 64;

// C0, DEL and C1: they break logs, headers and terminals.
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point.
const controlCharacters = /[\u0000-\u001f\u007f-\u009f]/;

function isPlainName(maxChars: number): (text: string) => boolean {
  return (text) =>
    text.length > 0 &&
    // A character is one or two code units: only in between must they be counted.
    (text.length <= maxChars || (text.length <= 2 * maxChars && [...text].length <= maxChars)) &&
    !controlCharacters.test(text) &&
    // A lone surrogate has no UTF-8 form: two different ids would become one on disk.
    text.isWellFormed();
}

function name(maxChars: number) {
  return z
    .string()
    .check(z.refine(isPlainName(maxChars), `must be 1 to ${maxChars} characters without control characters`));
}

export const runIdSchema = z
  .string()
  .check(
    z.refine(
      (text) => text.length <= maxRunIdChars && /^[A-Za-z0-9_.:-]+$/.test(text),
      `must be 1 to ${maxRunIdChars} characters of A-Z a-z 0-9 . _ : -`,
    ),
  );
export const userIdSchema = name(maxNameChars);
export const tenantIdSchema = name(maxNameChars);
export const deviceIdSchema = name(maxDeviceChars);
export const epochSchema = name(maxDeviceChars);
/** Thread, tool call, message and approval ids: opaque names that the runner chooses. */
export const nameSchema = name(maxNameChars);
export const isName = isPlainName(maxNameChars);

/** The tenant of a token or a call that names none. */
export const defaultTenant = "default" as TenantId;

export const asRunId = (text: string): RunId => text as RunId;
export const asUserId = (text: string): UserId => text as UserId;
export const asTenantId = (text: string): TenantId => text as TenantId;
export const asEpoch = (text: string): Epoch => text as Epoch;
export const asConnectionId = (text: string): ConnectionId => text as ConnectionId;
export const asDeviceId = (text: string): DeviceId => text as DeviceId;

export const isRunId = (value: unknown): value is RunId => runIdSchema.safeParse(value).success;
export const isUserId = (value: unknown): value is UserId => userIdSchema.safeParse(value).success;
export const isTenantId = (value: unknown): value is TenantId => tenantIdSchema.safeParse(value).success;

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
