/** A database that several nodes share, in its plainest form: for tests of what stands before the nodes or above them. */
import { PostgresServer } from "./postgres-server.ts";
import { RedisServer } from "./redis-server.ts";

export interface SharedStore extends AsyncDisposable {
  /** As `RUNCAST_STORE` has it. */
  readonly url: string;
}

export async function sharedStore(kind: "postgres" | "redis"): Promise<SharedStore> {
  const server = await (kind === "postgres" ? PostgresServer.start() : RedisServer.start());
  const url = server instanceof PostgresServer ? server.url() : `${server.url}/?durability=none`;
  return { url, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
