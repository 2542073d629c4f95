/** Which server of a cluster has which slots, as one of them says it. */
import type { RawConnection } from "../../platform/redis-dialer.ts";

export interface SlotRange {
  readonly from: number;
  readonly upto: number;
  readonly url: string;
  readonly id: string;
}

/** `by`: the address that was asked; it stands in for a host that the server does not know of itself. */
export async function slotRanges(connection: RawConnection, by: string): Promise<readonly SlotRange[]> {
  const answer = await connection.sendCommand(["CLUSTER", "SLOTS"]);
  if (!Array.isArray(answer)) return [];
  return answer.map((range: readonly [number, number, readonly [string | null, number, string]]) => {
    const [from, upto, [host, port, id]] = range;
    return { from: Number(from), upto: Number(upto), url: addressed(by, host, Number(port)), id };
  });
}

/** The same user, password and database on another host. */
export function addressed(by: string, host: string | null, port: number): string {
  const url = new URL(by);
  if (host !== null && host !== "" && host !== "?") url.hostname = host.includes(":") ? `[${host}]` : host;
  url.port = String(port);
  return url.href;
}
