/** W3: what an idle authenticated connection costs in resident memory, after garbage collection. */
import type { Kind } from "./load.ts";
import { openLoad } from "./load.ts";
import { startServer } from "./server-process.ts";

const restMs = 500;

export async function measureIdle(kind: Kind, connections: number): Promise<{ readonly kibPerConnection: number }> {
  const server = await startServer(kind);
  const rss = async (): Promise<number> => {
    const memory = server.control.hear("memory");
    server.control.order({ do: "memory" });
    return (await memory).rssBytes;
  };
  // The first hundred pay for code and pools that the rest share.
  const warm = await openLoad(kind, server.port, server.control, names("warm", 100), 1);
  const before = await rss();
  const load = await openLoad(kind, server.port, server.control, names("idle", connections), 1);
  await new Promise((resolve) => setTimeout(resolve, restMs));
  const after = await rss();
  load.close();
  warm.close();
  await server.stop();
  return { kibPerConnection: (after - before) / 1_024 / connections };
}

const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${prefix}-${at}`);
