/** The ack beside a connection (`POST /v1/ack`): for one of this node, or left for the node that holds it. */
import type { ConnectionId, Offset } from "../../protocol/ids.ts";
import { streamKey } from "../../protocol/ids.ts";
import type { UserPrincipal } from "../auth/principal.ts";
import { NotFound } from "../errors.ts";
import type { Connections } from "./connections.ts";
import { foreignThing } from "./gate.ts";

/** Fails: `NotFound` for a connection that is missing or somebody else's, `LogUnavailable`. */
export async function ackBeside(
  connections: Connections,
  { tenantId, userId }: UserPrincipal,
  id: ConnectionId,
  offset: Offset,
): Promise<void> {
  const own = streamKey(tenantId, userId);
  const connection = connections.get(id);
  if (connection === undefined) {
    if ((await connections.foreignAcks?.leave(id, own, offset)) !== true) throw new NotFound({ what: "connection" });
    return;
  }
  if (connection.stream !== own) throw foreignThing("connection");
  connection.ack(offset);
}
