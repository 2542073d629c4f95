/** A client of the application's own, as it would open one, closed with its block. */
import pg from "pg";

export async function postgresClient(url: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: url.split("?")[0] ?? url });
  client.on("error", () => {});
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}
