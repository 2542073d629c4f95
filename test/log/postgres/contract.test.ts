import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openPostgresLog } from "../../../src/log/postgres/postgres.ts";
import { tableNames } from "../../../src/log/postgres/tables.ts";
import { eventLogContract } from "../../../src/testing/event-log-contract.ts";
import { postgresClient } from "../../support/postgres-client.ts";
import { PostgresServer } from "../../support/postgres-server.ts";

let server: PostgresServer;
let url: string;
let tables: Awaited<ReturnType<typeof postgresClient>>;

beforeAll(async () => {
  server = await PostgresServer.start();
  // Two connections: each has to make its plans, which takes longer than a law.
  url = `${await server.database()}?partitions=2&pool=2`;
  await (await openPostgresLog({ url })).close();
  tables = await postgresClient(url);
});
afterAll(async () => {
  await tables.end();
  await server[Symbol.asyncDispose]();
});

/** The same tables for every law, emptied: making them takes longer than a law. */
async function make() {
  await tables.query(tableNames.map((table) => `DELETE FROM runcast.${table}`).join("; "));
  const open = () => openPostgresLog({ url, onBug: () => {} });
  const log = await open();
  let newest = log;
  return {
    log,
    reopen: async () => {
      await newest.close();
      newest = await open();
      return newest;
    },
    dispose: () => newest.close(),
  };
}

eventLogContract("the PostgreSQL log", make, { describe, it, expect, persists: true });
