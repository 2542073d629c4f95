/** What a world's log really holds, read past the runtime. */
import { asRunId, asTenantId, asUserId, streamKey } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import type { StoredEvent } from "../../src/log/event-log.ts";
import type { World } from "./world.ts";

const tenant = asTenantId("default");
const all = { maxEvents: 100_000, maxBytes: Number.MAX_SAFE_INTEGER };

export interface Held extends Omit<StoredEvent, "data"> {
  readonly data: Readonly<Record<string, unknown>>;
}

const held = (event: StoredEvent): Held => ({ ...event, data: parseTrusted(event.data) as Held["data"] });

export async function heldRun(world: World, runId: string): Promise<readonly Held[]> {
  return (await world.truth.readRun(tenant, asRunId(runId), 0, all)).map(held);
}

export async function heldStream(world: World, user: string): Promise<readonly Held[]> {
  return (await world.truth.read(streamKey(tenant, asUserId(user)), 0, all)).events.map(held);
}

export async function heldCount(world: World, user: string): Promise<number> {
  return (await world.truth.read(streamKey(tenant, asUserId(user)), 0, all)).events.length;
}
