import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planPostgresMigrations } from "../../../src/log/postgres/index.ts";
import { openPostgresLog } from "../../../src/log/postgres/postgres.ts";
import { alice, ids, notice, write } from "../../../src/testing/event-log/sample.ts";
import { PostgresServer } from "../../support/postgres-server.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const databaseOf = (url: string): string => new URL(url).pathname.slice(1);

describe("the PostgreSQL schema", () => {
  it("is made once by nodes that start together, which then share it", async () => {
    const url = `${await server.database()}?partitions=2`;
    const logs = await Promise.all([1, 2, 3].map(() => openPostgresLog({ url })));
    const [first, second, third] = logs as [(typeof logs)[0], (typeof logs)[0], (typeof logs)[0]];
    await write(first, notice(alice, "a"));
    await write(second, notice(alice, "b"));
    expect(await ids(third, alice)).toEqual(["id-a", "id-b"]);
    expect(new Set(await Promise.all(logs.map(async (log) => (await log.position(alice)).epoch))).size).toBe(1);
    expect(await server.sql("SELECT version, name FROM runcast.migrations", databaseOf(url))).toEqual([
      [1, "the first schema"],
    ]);
    await Promise.all(logs.map((log) => log.close()));
  });

  it("is told beforehand, statement by statement, by a plan that changes nothing", async () => {
    const url = `${await server.database()}?partitions=2&schema=events`;
    const plan = await planPostgresMigrations(url);
    expect(plan.map(({ version, name }) => [version, name])).toEqual([[1, "the first schema"]]);
    const schemas = `SELECT count(*)::int FROM pg_namespace WHERE nspname = 'events'`;
    expect(await server.sql(schemas, databaseOf(url))).toEqual([[0]]);
    // What it tells is all that opening does.
    const other = await server.database();
    for (const text of plan.flatMap(({ statements }) => statements)) await server.sql(text, databaseOf(other));
    const log = await openPostgresLog({ url });
    await log.close();
    const tables = `SELECT relname, relkind FROM pg_class WHERE relnamespace = 'events'::regnamespace ORDER BY 1`;
    expect(await server.sql(tables, databaseOf(url))).toEqual(await server.sql(tables, databaseOf(other)));
    expect(await planPostgresMigrations(url)).toEqual([]);
  });

  it("is not touched where a newer release made it", async () => {
    const url = `${await server.database()}?partitions=2`;
    await (await openPostgresLog({ url })).close();
    await server.sql("INSERT INTO runcast.migrations (version, name) VALUES (1000, 'of tomorrow')", databaseOf(url));
    const newer = { _tag: "InvalidConfig", message: expect.stringContaining("schema version 1000") as string };
    await expect(openPostgresLog({ url })).rejects.toMatchObject(newer);
    await expect(planPostgresMigrations(url)).rejects.toMatchObject(newer);
  });

  it("stands beside another of the same database, and neither sees the other's streams", async () => {
    const database = await server.database();
    const [one, other] = await Promise.all(
      ["one", "other"].map((schema) => openPostgresLog({ url: `${database}?partitions=1&schema=${schema}` })),
    );
    if (one === undefined || other === undefined) throw new Error("not opened");
    await write(one, notice(alice, "a"));
    expect(await ids(other, alice)).toEqual([]);
    await Promise.all([one.close(), other.close()]);
  });

  it("is not made by a user who may not, and the refusal says so", async () => {
    const url = await server.database();
    await server.sql("CREATE ROLE plain LOGIN");
    await expect(openPostgresLog({ url: url.replace("postgres@", "plain@") })).rejects.toMatchObject({
      _tag: "InvalidConfig",
      message: expect.stringContaining("the user may not do what a store needs") as string,
    });
    await server.sql(`GRANT CREATE ON DATABASE ${databaseOf(url)} TO plain`);
    const log = await openPostgresLog({ url: `${url.replace("postgres@", "plain@")}?partitions=1` });
    await write(log, notice(alice, "a"));
    await log.close();
  });
});
