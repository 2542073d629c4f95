/**
 * What became of an event that is in the log: how many connections were due, how many sockets were handed it, how many
 * devices acknowledged it. Counted and never inferred (LESSONS 9, 10), and only for who asks.
 */
import type { EventType } from "../../protocol/event.ts";
import type { BroadcastResult } from "../../protocol/http.ts";
import type { Offset, TenantId, UserId } from "../../protocol/ids.ts";
import { streamKey } from "../../protocol/ids.ts";
import type { UserConnection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import type { Deadlines } from "./deadlines.ts";

export interface CountTerms {
  readonly connections: Connections;
  readonly deadlines: Deadlines;
}

/** An event in its user's stream. */
export interface WrittenEvent {
  readonly tenantId: TenantId;
  readonly userId: UserId;
  readonly offset: Offset;
  readonly type: string;
  readonly threadId?: string | undefined;
}

/** The commit has rung: whoever is live has been handed the frame before this is called. */
export async function countBroadcast(
  { connections, deadlines }: CountTerms,
  event: WrittenEvent,
  ackWaitMs = 0,
): Promise<BroadcastResult> {
  const { userId, offset, type } = event;
  const stream = streamKey(event.tenantId, userId);
  // Who began behind it (a repeated call may be late) was never meant to get it, and neither was who filters it out.
  const isFor = ({ outbox }: UserConnection): boolean =>
    (outbox && outbox.start < offset && outbox.wants(event)) ?? false;
  const attempted = [...connections.ofStream(stream)].filter(isFor);
  const sent = attempted.filter(({ outbox }) => (outbox?.sentUpto ?? 0) >= offset);
  const errors = attempted.filter((connection) => !sent.includes(connection)).map(notSent);
  const acknowledged = (): number => sent.filter((connection) => hasAcked(connection, offset)).length;
  if (ackWaitMs > 0 && sent.length > 0) {
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
      const deadline = deadlines.after(ackWaitMs, done);
    });
  }
  return {
    userId,
    eventType: type as EventType,
    offset,
    connectionsAttempted: attempted.length,
    successfulSends: sent.length,
    acknowledged: acknowledged(),
    errors,
  };
}

function notSent({ id, breaker, outbox }: UserConnection): BroadcastResult["errors"][number] {
  if (outbox?.hasEnded) return { connectionId: id, code: "gone", message: "its socket took nothing: it is gone" };
  return breaker.lets
    ? { connectionId: id, code: "not_sent", message: "its window is full: it reads on from the log" }
    : { connectionId: id, code: "breaker_open", message: "it has stopped acknowledging: it reads on from the log" };
}

const hasAcked = ({ outbox }: UserConnection, offset: Offset): boolean => (outbox?.acked ?? 0) >= offset;
