import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openPostgresLog } from "../../../src/log/postgres/postgres.ts";
import { tableNames } from "../../../src/log/postgres/tables.ts";
import { eventLogContract } from "../../../src/testing/event-log-contract.ts";
import { PostgresServer } from "../../support/postgres-server.ts";

let server: PostgresServer;
let url: string;

beforeAll(async () => {
  server = await PostgresServer.start();
  url = `${await server.database()}?partitions=4`;
  await (await openPostgresLog({ url })).close();
});
afterAll(() => server[Symbol.asyncDispose]());

/** The same tables for every law, emptied: making them takes longer than a law. */
async function make() {
  const name = new URL(url).pathname.slice(1);
  await server.sql(tableNames.map((table) => `DELETE FROM runcast.${table}`).join("; "), name);
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
