/** A notice, an event of a user that belongs to no run, inside the application's own transaction: see `publish-in`. */
import { check } from "../../../protocol/codec.ts";
import type { ContaminationPolicy } from "../../../protocol/flags.ts";
import { noticeSchema } from "../../../protocol/http.ts";
import { asTenantId, asUserId, defaultTenant, type Offset, streamKey } from "../../../protocol/ids.ts";
import { InvalidInput } from "../../errors.ts";
import { systemClock } from "../../platform/clock.ts";
import { isolated } from "../../runtime/contamination.ts";
import { eventDigest } from "../../runtime/digest.ts";
import { eventIds } from "../../runtime/event-id.ts";
import { textOfObject } from "../../runtime/payload.ts";
import type { NewEvent } from "../event-log.ts";
import { appendIn } from "./append-in.ts";
import { askIn, type TransactionClient } from "./transaction-client.ts";

export interface NotifyIn {
  readonly userId: string;
  /** Default: `default`. */
  readonly tenantId?: string | undefined;
  /** `x.` and a name. */
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** A notice whose key is known to the user's stream is not written again. */
  readonly key?: string | undefined;
  /** Somebody is told of it if no device acknowledges it. Default false. */
  readonly critical?: boolean | undefined;
  /** What happens to a payload that names another user. Default `refuse`. */
  readonly contamination?: ContaminationPolicy | undefined;
  /** As in the store's URL. Default `runcast`. */
  readonly schema?: string | undefined;
}

const nextId = eventIds(systemClock);

/**
 * Appends a notice within the transaction that `client` has open; it is delivered if and only if that commits.
 *
 * Fails: `InvalidInput`, `Contaminated`, `KeyConflict`; what the database says, as the client's own error.
 */
export async function notifyIn(
  client: TransactionClient,
  notice: NotifyIn,
): Promise<{ readonly offset: Offset; readonly isDuplicate: boolean }> {
  const { schema = "runcast", contamination = "refuse", ...said } = notice;
  const decoded = check(noticeSchema, said);
  if (!decoded.ok) throw new InvalidInput({ code: "invalid", ...decoded.issue });
  const { userId, tenantId = defaultTenant, type, data, key, critical } = decoded.value;
  const owner = { tenantId: asTenantId(tenantId), userId: asUserId(userId) };
  const policy = { contaminationOf: () => contamination, countContaminated: () => {} };
  const text = isolated(
    textOfObject(data, () => "data"),
    owner,
    () => "data",
    policy,
    "names a user who is not the receiver",
  );
  const event: NewEvent = {
    ...{ id: nextId(), type, time: new Date(systemClock.now()).toISOString(), data: text },
    key: key === undefined ? undefined : { name: key, digest: eventDigest(type, data) },
  };
  const stream = streamKey(owner.tenantId, owner.userId);
  const append = { stream, events: [event], ...(critical === true && { escalate: [0] }) };
  const { offset, isKnown } = await appendIn(askIn(client), schema, append);
  return { offset, isDuplicate: isKnown };
}
