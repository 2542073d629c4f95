import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRuncast } from "../../../src/make-runcast.ts";
import { PostgresServer } from "../../support/postgres-server.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const auth = { kind: "secret", secret: "s".repeat(32) } as const;

describe("a PostgreSQL store", () => {
  it("is opened by its URL, and keeps what was written for who opens it next", async () => {
    const store = await server.database();
    const first = await createRuncast({ store, auth });
    const run = await first.startRun({ userId: "alice", agent: "a" });
    await run.thinking("first");
    await first.close();
    const second = await createRuncast({ store, auth });
    const events: string[] = [];
    for await (const { type } of second.events({ userId: "alice", after: 0 })) {
      events.push(type);
      if (events.length === 2) break;
    }
    expect(events).toEqual(["agent_started", "agent_thinking"]);
    await second.close();
  });

  it("refuses a spool and says why", async () => {
    const opened = createRuncast({ store: server.url(), auth, spool: "file:./spool" });
    await expect(opened).rejects.toMatchObject({
      _tag: "InvalidConfig",
      setting: "spool",
      message: "needs a store that only this process writes to; set it to false or none",
    });
  });

  it.each([
    ["?pol=3", 'has the option "pol", which PostgreSQL stores do not know'],
    ["?pool=0", 'has a pool of "0"; right is 1 to 500'],
    ["?schema=a.b", 'has a schema "a.b"'],
    ["?target_session_attrs=standby", "a log is written to"],
  ])("refuses to be opened with %s, without the password", async (query, message) => {
    const store = `${server.url().replace("postgres@", "postgres:canary@")}${query}`;
    const failure: unknown = await createRuncast({ store, auth }).catch((cause: unknown) => cause);
    expect(failure).toMatchObject({ _tag: "InvalidConfig", setting: "store" });
    expect(String((failure as Error).message)).toContain(message);
    expect(JSON.stringify(failure) + String(failure)).not.toContain("canary");
  });

  it("says that there is no such database, and no such server", async () => {
    const missing: unknown = await createRuncast({ store: server.url("nowhere"), auth }).catch(
      (cause: unknown) => cause,
    );
    expect(missing).toMatchObject({ _tag: "InvalidConfig", setting: "store" });
    const silent = createRuncast({ store: "postgres://u:canary@127.0.0.1:1/x", auth });
    await expect(silent).rejects.toMatchObject({ _tag: "LogUnavailable" });
  });
});
