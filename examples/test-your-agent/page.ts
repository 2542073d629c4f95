/** A page's code: one line about each trip, kept up to date. It knows a client, and nothing of tests. */
import type { Client } from "runcast/client";

export function showTrips(client: Client): { readonly lines: readonly string[]; readonly link: string } {
  return {
    get lines() {
      return client.runs().map(({ state, messages }) => messages[0]?.text ?? `planning (${state})`);
    },
    get link() {
      return client.status.state === "live" ? "connected" : "connecting again …";
    },
  };
}
