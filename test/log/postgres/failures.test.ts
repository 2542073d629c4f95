import { describe, expect, it } from "vitest";
import type { Append, EventLog } from "../../../src/log/event-log.ts";
import { openPostgresLog } from "../../../src/log/postgres/postgres.ts";
import {
  alice,
  bob,
  keyed,
  newRun,
  next,
  notice,
  started,
  wide,
  write,
} from "../../../src/testing/event-log/sample.ts";
import { eventually } from "../../support/eventually.ts";
import { postgresClient } from "../../support/postgres-client.ts";
import { PostgresServer } from "../../support/postgres-server.ts";
import { TcpProxy } from "../../support/tcp-proxy.ts";

const impatient = "partitions=1&connect_timeout_ms=500&statement_timeout_ms=300&lock_timeout_ms=200&poll_ms=200";

/** Appends one event after another to the run until it is told to stop; a failure is settled by the same key. */
function teller(log: EventLog) {
  const acknowledged: string[] = [];
  const failures: string[] = [];
  let isStopped = false;
  const done = (async () => {
    const open = started(newRun(), [keyed("0")]);
    for (let seq = 0; !isStopped; ) {
      const append: Append = seq === 0 ? open : next(seq, [keyed(String(seq))]);
      try {
        const answer = await log.append(append);
        if (!["appended", "key_known", "run_exists"].includes(answer.kind)) throw new Error(answer.kind);
        acknowledged.push(String(seq));
        seq += 1;
      } catch (cause) {
        failures.push((cause as { _tag?: string })._tag ?? String(cause));
      }
    }
  })();
  return {
    acknowledged,
    failures,
    stop: () => {
      isStopped = true;
      return done;
    },
  };
}

/** Every acknowledged event is there, once, in the order of its run, and nothing that was not said. */
async function expectWhole(log: EventLog, { acknowledged, failures }: ReturnType<typeof teller>): Promise<void> {
  const { events, head } = await log.read(alice, 0, wide);
  const names = events.map(({ id }) => id.slice("id-".length));
  expect(names).toEqual(Array.from({ length: head }, (_, at) => String(at)));
  expect(names.slice(0, acknowledged.length)).toEqual(acknowledged);
  expect(head - acknowledged.length).toBeLessThanOrEqual(1);
  expect(failures.filter((tag) => tag !== "LogUnavailable" && tag !== "LogFull")).toEqual([]);
}

/** Servers that start, stop and are promoted, on a machine that may be busy. */
const timeout = 90_000;

describe("a PostgreSQL log whose server fails", { timeout }, () => {
  it("loses nothing that it acknowledged, and settles by key what it did not: killed, stopped, paused, cut", async () => {
    await using server = await PostgresServer.start();
    await using proxy = await TcpProxy.listen(`http://127.0.0.1:${server.port}`);
    const proxied = new URL(proxy.url).host;
    const log = await openPostgresLog({ url: `postgres://postgres@${proxied}/postgres?${impatient}` });
    const epoch = (await log.position(alice)).epoch;
    const told = teller(log);
    const goesOn = async () => {
      const { length } = told.acknowledged;
      await eventually(() => expect(told.acknowledged.length).toBeGreaterThan(length + 5));
    };
    const fails = async () => {
      const { length } = told.failures;
      await eventually(() => expect(told.failures.length).toBeGreaterThan(length));
    };
    await goesOn();
    await server.kill9();
    await fails();
    await server.restart();
    await goesOn();
    await server.stop();
    await fails();
    await server.restart();
    await goesOn();
    await server.pause();
    await fails();
    server.resume();
    await goesOn();
    for (const link of proxy.links) link.end("rst");
    await goesOn();
    for (const link of proxy.links) link.hold();
    await fails();
    await goesOn();
    await told.stop();
    await expectWhole(log, told);
    // The same server all along: nobody's history has changed.
    expect((await log.position(alice)).epoch).toBe(epoch);
    await log.close();
  });

  it("notices a listening line that is dead without a word, and misses nothing", async () => {
    await using server = await PostgresServer.start();
    await using proxy = await TcpProxy.listen(`http://127.0.0.1:${server.port}`);
    const log = await openPostgresLog({ url: `postgres://postgres@${new URL(proxy.url).host}/postgres?${impatient}` });
    const other = await openPostgresLog({ url: `${server.url()}?${impatient}` });
    const heard: number[] = [];
    log.watch(({ head }) => heard.push(head));
    await log.follow?.(alice);
    proxy.last.hold();
    await write(other, notice(alice, "a"));
    await eventually(() => expect(heard).toContain(1));
    await write(other, notice(alice, "b"));
    await eventually(() => expect(heard.at(-1)).toBe(2));
    await Promise.all([log.close(), other.close()]);
  });

  it("begins a new epoch on a promoted replica, and acknowledges nothing on the way", async () => {
    await using primary = await PostgresServer.start();
    const single = await openPostgresLog({ url: `${primary.url()}?${impatient}` });
    await write(single, notice(bob, "before"));
    await using replica = await primary.replica();
    const both = `postgres://postgres@127.0.0.1:${replica.port},127.0.0.1:${primary.port}/postgres`;
    // The replica stands first and is passed over.
    const log = await openPostgresLog({ url: `${both}?target_session_attrs=read-write&${impatient}` });
    const before = (await log.position(bob)).epoch;
    expect(before).toBe((await single.position(bob)).epoch);
    const bells: string[] = [];
    log.watch(({ stream, epoch }) => void (stream === bob && bells.push(epoch)));
    await log.follow?.(bob);
    const answer = await write(log, notice(bob, "on the primary"));
    expect(answer.epoch).toBe(before);

    await primary.kill9();
    const failed: unknown = await log.append(notice(bob, "nowhere")).catch((cause: unknown) => cause);
    expect(failed).toMatchObject({ _tag: "LogUnavailable" });
    await replica.promote();
    const after = await eventually(() => write(log, notice(bob, "on the replica")));
    expect(after.epoch).not.toBe(before);
    // Who follows is rung under the new epoch.
    await eventually(() => expect(bells.at(-1)).toBe(after.epoch));
    const ids = (await log.read(bob, 0, wide)).events.map(({ id }) => id);
    expect(ids.at(-1)).toBe("id-on the replica");
    expect(ids).not.toContain("id-nowhere");
    // Written once: a second node comes into the same epoch, and the old primary has another.
    const second = await openPostgresLog({ url: `${replica.url()}?${impatient}` });
    expect((await second.position(bob)).epoch).toBe(after.epoch);
    await primary.restart();
    expect((await eventually(() => single.position(bob))).epoch).toBe(before);
    await Promise.all([log.close(), second.close(), single.close()]);
  });

  it("waits for a silent host once, not with every connection", async () => {
    await using server = await PostgresServer.start();
    await using proxy = await TcpProxy.listen(`http://127.0.0.1:${server.port}`);
    proxy.plan = () => ({ line: { delayMs: 600_000 } });
    const hosts = `${new URL(proxy.url).host},127.0.0.1:${server.port}`;
    const log = await openPostgresLog({ url: `postgres://postgres@${hosts}/postgres?${impatient}` });
    await Promise.all(Array.from({ length: 8 }, () => log.position(alice)));
    expect(proxy.links.length).toBe(1);
    await log.close();
  });

  it("writes nothing where the server has become read-only, and goes on when it is not any more", async () => {
    await using server = await PostgresServer.start();
    const log = await openPostgresLog({ url: `${server.url()}?${impatient}` });
    await write(log, notice(alice, "a"));
    await server.sql("ALTER SYSTEM SET default_transaction_read_only = on");
    await server.sql("SELECT pg_reload_conf()");
    const refused = await eventually(async () => {
      const cause: unknown = await log.append(notice(alice, "refused")).then(
        () => undefined,
        (failure: unknown) => failure,
      );
      expect(cause).toMatchObject({ _tag: expect.stringMatching(/^Log(Full|Unavailable)$/) as string });
      return cause;
    });
    expect(refused).toBeDefined();
    await using admin = await postgresClient(server.url());
    await admin.query("SET default_transaction_read_only = off");
    await admin.query("ALTER SYSTEM RESET default_transaction_read_only");
    await admin.query("SELECT pg_reload_conf()");
    const { offset } = await eventually(() => write(log, notice(alice, "b")));
    const { events } = await log.read(alice, 0, wide);
    expect(events.at(-1)).toMatchObject({ id: "id-b", offset });
    await log.close();
  });

  it("repeats what only met others, and says that a full disk wrote nothing", async () => {
    await using server = await PostgresServer.start();
    for (const [code, outcome] of [
      ["53100", "LogFull"],
      ["40001", "appended"],
      ["40P01", "appended"],
    ] as const) {
      const url = await server.database();
      const sql = (text: string) => server.sql(text, new URL(url).pathname.slice(1));
      const log = await openPostgresLog({ url: `${url}?partitions=1` });
      // Fails the first time, and where it is not a race every time.
      await sql("CREATE SEQUENCE tries");
      await sql(
        `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF nextval('tries') = 1 OR '${code}' = '53100' THEN RAISE EXCEPTION 'on purpose' USING ERRCODE = '${code}'; END IF;
           RETURN NEW; END $$`,
      );
      await sql("CREATE TRIGGER fail BEFORE INSERT ON runcast.events_0 FOR EACH ROW EXECUTE FUNCTION fail()");
      const answer = await log.append({ stream: alice, events: [keyed("a")] }).then(
        ({ kind }) => kind,
        (cause: { _tag: string }) => cause._tag,
      );
      expect([code, answer]).toEqual([code, outcome]);
      expect(await log.position(alice)).toMatchObject({ head: outcome === "appended" ? 1 : 0 });
      await log.close();
    }
  });
});
