import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asTenantId, asUserId, streamKey } from "../../../protocol/ids.ts";
import { openPostgresLog } from "../../../src/log/postgres/postgres.ts";
import { PostgresServer } from "../../support/postgres-server.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

describe("a connection to PostgreSQL", () => {
  it("carries one statement after the other, as the driver's next version asks for", async () => {
    const warnings: string[] = [];
    const hear = ({ name, message }: Error): void => void warnings.push(`${name}: ${message}`);
    process.on("warning", hear);
    const log = await openPostgresLog({ url: await server.database() });
    // All listen on the one connection for bells.
    const streams = Array.from({ length: 20 }, (_, index) => streamKey(asTenantId("t"), asUserId(`user-${index}`)));
    const { follow } = log;
    if (follow === undefined) throw new Error("a shared log is followed");
    for (const stop of await Promise.all(streams.map((stream) => follow(stream)))) stop();
    await log.close();
    // Warnings are told in a later turn.
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", hear);
    expect(warnings.filter((warning) => warning.startsWith("DeprecationWarning"))).toEqual([]);
  });
});
