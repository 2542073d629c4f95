/**
 * The names of keys. All keys of one user's stream carry the same hash tag, so they share a slot of a cluster and one
 * script writes them together; what is looked up without the user stands under tags of its own. Injective: a tag is
 * percent-encoded, so no name closes it early, and a stream's tag begins with a digit, which no other does (L8).
 */
import { runKey, type RunId, type StreamKey, type TenantId } from "../../../protocol/ids.ts";

const tagged = (name: string, tag: string, part: string): string => `${name}:{${tag}}:${part}`;
const encoded = encodeURIComponent;

export interface Keys {
  /** Of a stream: its hash, and the beginning of the names of all its other keys. */
  readonly meta: (stream: StreamKey) => string;
  /** Its bell. */
  readonly channel: (stream: StreamKey) => string;
  /** Of a run's id: the stream that it is in. */
  readonly run: (tenantId: TenantId, runId: RunId) => string;
  readonly approval: (tenantId: TenantId, approvalId: string) => string;
  readonly documents: (kind: string) => string;
  readonly streams: string;
  readonly runs: string;
  readonly outbox: string;
  readonly letters: string;
  readonly store: string;
}

/** `name`: of the store; several may live on one server. */
export function keysOf(name: string): Keys {
  return {
    meta: (stream) => tagged(name, encoded(stream), "meta"),
    channel: (stream) => tagged(name, encoded(stream), "bell"),
    run: (tenantId, runId) => tagged(name, `run:${encoded(runKey(tenantId, runId))}`, "at"),
    approval: (tenantId, id) => tagged(name, `approval:${encoded(tenantId)}:${encoded(id)}`, "meta"),
    documents: (kind) => tagged(name, `documents:${encoded(kind)}`, "meta"),
    streams: tagged(name, "streams", "meta"),
    runs: tagged(name, "runs", "meta"),
    outbox: tagged(name, "outbox", "meta"),
    letters: tagged(name, "letters", "meta"),
    store: tagged(name, "store", "meta"),
  };
}
