/** W3: what an idle authenticated connection costs in resident memory, after garbage collection. */
import type { Kind } from "./load.ts";
import { openLoad } from "./load.ts";
import { startServer } from "./server-process.ts";
import { userNames } from "./workload.ts";

const restMs = 500;

export async function measureIdle(kind: Kind, connections: number): Promise<{ readonly kibPerConnection: number }> {
  const server = await startServer(kind);
  const rss = async (): Promise<number> => {
    const memory = server.control.hear("memory");
    server.control.order({ do: "memory" });
    return (await memory).rssBytes;
  };
  // The first hundred pay for code and pools that the rest share.
  const warm = await openLoad(kind, [server], userNames(100, "warm"), 1);
  const before = await rss();
  const load = await openLoad(kind, [server], userNames(connections, "idle"), 1);
  await new Promise((resolve) => setTimeout(resolve, restMs));
  const after = await rss();
  load.close();
  warm.close();
  await server.stop();
  return { kibPerConnection: (after - before) / 1_024 / connections };
}
