/** Notices: events of a user that belong to no run. What became of each is counted by `broadcast-count`. */
import type { BroadcastResult, NoticeBody } from "../../protocol/http.ts";
import type { Offset, StreamKey, TenantId, UserId } from "../../protocol/ids.ts";
import { streamKey } from "../../protocol/ids.ts";
import { KeyConflict, LogUnavailable } from "../errors.ts";
import type { NewEvent } from "../log/event-log.ts";
import type { CountTerms } from "./broadcast-count.ts";
import { countBroadcast } from "./broadcast-count.ts";
import type { Owner, PayloadPolicy } from "./contamination.ts";
import { isolated } from "./contamination.ts";
import { eventDigest } from "./digest.ts";
import type { Settings } from "./options.ts";
import { textOfObject } from "./payload.ts";

export interface NoticesTerms extends CountTerms {
  readonly settings: Settings;
  readonly nextId: () => string;
  readonly timeText: () => string;
  /** Whether this user can be told of a notice that nobody acknowledges. Undefined: nobody can. */
  readonly isCritical: ((stream: StreamKey) => boolean) | undefined;
  readonly countAccepted: () => void;
  readonly policy: PayloadPolicy;
}

/**
 * Writes a notice and tells what became of it.
 *
 * Fails: `Contaminated`, `InvalidInput`, `KeyConflict`, `LogUnavailable`.
 */
export async function notify(terms: NoticesTerms, tenantId: TenantId, body: NoticeBody): Promise<BroadcastResult> {
  const userId = body.userId as UserId;
  const stream = streamKey(tenantId, userId);
  const event = newNotice(terms, { tenantId, userId }, body);
  const count = (offset: Offset) =>
    countBroadcast(terms, { tenantId, userId, offset, type: body.type }, body.ackWaitMs);
  const escalate = body.critical === true && terms.isCritical?.(stream) === true ? [0] : undefined;
  const appended = await terms.settings.log.append({ stream, events: [event], escalate });
  if (appended.kind === "key_known") {
    if (appended.known.digest !== event.key?.digest)
      throw new KeyConflict({ key: appended.key, seq: appended.known.seq });
    return count(appended.known.offset);
  }
  if (appended.kind !== "appended")
    throw new LogUnavailable({ message: `the notice was not written: ${appended.kind}`, retryAfterMs: 0 });
  terms.countAccepted();
  const result = await count(appended.offset);
  return appended.durability === undefined ? result : { ...result, durability: appended.durability };
}

function newNotice({ policy, nextId, timeText }: NoticesTerms, owner: Owner, body: NoticeBody): NewEvent {
  const said = textOfObject(body.data, () => "data");
  const data = isolated(said, owner, () => "data", policy, "names a user who is not the receiver");
  const key = body.key === undefined ? undefined : { name: body.key, digest: eventDigest(body.type, body.data) };
  return { id: nextId(), type: body.type, time: timeText(), data, key };
}
