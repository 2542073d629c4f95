/** A port that nobody has, for several processes that are to share it: each of them asking for any would get its own. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";

export async function freePort(host: string): Promise<number> {
  const probe = createServer().listen(0, host);
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
