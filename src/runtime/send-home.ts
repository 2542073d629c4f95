/** A goodbye that does not bring all of them back at once: each connection is told another time. */
import type { UserConnection } from "./connection.ts";

const spreadMs = 2_000;
const firstMs = 500;

export function sendHome(connections: readonly UserConnection[]): void {
  const stepMs = spreadMs / Math.max(1, connections.length);
  for (const [index, connection] of connections.entries()) {
    connection.actor.send({ type: "drain.requested" });
    const retryAfterMs = Math.round(firstMs + index * stepMs);
    connection.send({ type: "goodbye", reason: "restart", retryAfterMs });
    connection.actor.send({ type: "drain.finished" });
  }
}
