/**
 * Notices: events of a user that belong to no run, and what became of each, counted and never inferred
 * (LESSONS 9, 10).
 */
import type { BroadcastResult, NoticeBody } from "../../protocol/http.ts";
import type { Offset, StreamKey, TenantId, UserId } from "../../protocol/ids.ts";
import { streamKey } from "../../protocol/ids.ts";
import { KeyConflict, LogUnavailable } from "../errors.ts";
import type { NewEvent } from "../log/event-log.ts";
import type { Connections } from "./connections.ts";
import type { UserConnection } from "./connection.ts";
import type { Owner, PayloadPolicy } from "./contamination.ts";
import { isolated } from "./contamination.ts";
import type { Deadlines } from "./deadlines.ts";
import { eventDigest } from "./digest.ts";
import type { Settings } from "./options.ts";
import { textOfObject } from "./payload.ts";

export interface NoticesTerms {
  readonly settings: Settings;
  readonly connections: Connections;
  readonly deadlines: Deadlines;
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
  const escalate = body.critical === true && terms.isCritical?.(stream) === true ? [0] : undefined;
  const appended = await terms.settings.log.append({ stream, events: [event], escalate });
  if (appended.kind === "key_known") {
    if (appended.known.digest !== event.key?.digest)
      throw new KeyConflict({ key: appended.key, seq: appended.known.seq });
    return outcome(terms, stream, body, appended.known.offset, event.type);
  }
  if (appended.kind !== "appended")
    throw new LogUnavailable({ message: `the notice was not written: ${appended.kind}`, retryAfterMs: 0 });
  terms.countAccepted();
  const result = await outcome(terms, stream, body, appended.offset, event.type);
  return appended.durability === undefined ? result : { ...result, durability: appended.durability };
}

function newNotice({ policy, nextId, timeText }: NoticesTerms, owner: Owner, body: NoticeBody): NewEvent {
  const said = textOfObject(body.data, () => "data");
  const data = isolated(said, owner, () => "data", policy, "names a user who is not the receiver");
  const key = body.key === undefined ? undefined : { name: body.key, digest: eventDigest(body.type, body.data) };
  return { id: nextId(), type: body.type, time: timeText(), data, key };
}

/** The commit has rung: whoever is live has been handed the frame before this runs. */
async function outcome(
  { connections, deadlines }: NoticesTerms,
  stream: StreamKey,
  body: NoticeBody,
  offset: Offset,
  type: string,
): Promise<BroadcastResult> {
  // Who began behind it (a repeated call may be late) was never meant to get it, and neither was who filters it out.
  const isFor = ({ outbox }: UserConnection): boolean =>
    (outbox && outbox.start < offset && outbox.wants({ type })) ?? false;
  const attempted = [...connections.ofStream(stream)].filter(isFor);
  const sent = attempted.filter(({ outbox }) => (outbox?.sentUpto ?? 0) >= offset);
  const errors = attempted
    .filter((connection) => !sent.includes(connection))
    .map(({ id }) => ({ connectionId: id, code: "not_sent", message: "its window is full: it reads on from the log" }));
  const acknowledged = (): number => sent.filter((connection) => hasAcked(connection, offset)).length;
  const waitMs = body.ackWaitMs ?? 0;
  if (waitMs > 0 && sent.length > 0) {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stop();
        deadline.cancel();
        resolve();
      };
      const waitsFor = (connection: UserConnection): boolean => connection.isOpen && !hasAcked(connection, offset);
      const stop = connections.onAck(stream, () => {
        if (!sent.some(waitsFor)) done();
      });
      const deadline = deadlines.after(waitMs, done);
    });
  }
  return {
    userId: body.userId as UserId,
    eventType: body.type as `x.${string}`,
    offset,
    connectionsAttempted: attempted.length,
    successfulSends: sent.length,
    acknowledged: acknowledged(),
    errors,
  };
}

const hasAcked = ({ outbox }: UserConnection, offset: Offset): boolean => (outbox?.acked ?? 0) >= offset;
