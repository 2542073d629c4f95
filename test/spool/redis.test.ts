import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/platform/clock.ts";
import { openRedisSpool } from "../../src/spool/redis.ts";
import type { Spool } from "../../src/spool/spool.ts";
import { silentJournal } from "../../src/telemetry/journal.ts";
import { RedisServer } from "../support/redis-server.ts";
import { spoolContract } from "./spool-contract.ts";

const callMs = 1_000;

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

let count = 0;
const freshName = () => `test-${(count += 1)}`;
const open = (name: string) =>
  openRedisSpool({ url: redis.url, name, clock: systemClock, journal: silentJournal, callMs });

async function all(spool: Spool): Promise<string[]> {
  const found: string[] = [];
  for await (const text of spool.entries()) found.push(text);
  return found;
}

describe("the Redis spool", () => {
  spoolContract(
    async () => {
      const name = freshName();
      let spool = await open(name);
      return {
        spool,
        reopen: async () => {
          await spool.close();
          spool = await open(name);
          return spool;
        },
        fail: (isFailing) => redis.signal(isFailing ? "SIGSTOP" : "SIGCONT"),
        dispose: () => spool.close(),
      };
    },
    { it, expect },
  );

  it("answers within its time while the server stands still, and what lay in the socket harms nothing later", async () => {
    const name = freshName();
    const spool = await open(name);
    await spool.append(["a"]);
    redis.signal("SIGSTOP");
    const startMs = performance.now();
    await expect(spool.append(["late"])).rejects.toThrow("no answer");
    expect(performance.now() - startMs).toBeLessThan(5 * callMs);
    redis.signal("SIGCONT");
    for (const text of ["b", "c", "d"]) await spool.append([text]);
    await spool.remove(1);
    await spool.close();
    const again = await open(name);
    expect(await all(again)).toEqual(["b", "c", "d"]);
    await again.close();
  });

  it("says that what it had acknowledged is gone, and begins anew", async () => {
    const own = await RedisServer.start();
    const spool = await openRedisSpool({
      url: own.url,
      name: "lost",
      clock: systemClock,
      journal: silentJournal,
      callMs,
    });
    await spool.append(["a", "b"]);
    await own.kill();
    await expect(spool.append(["c"])).rejects.toThrow();
    await own.restart();
    await expect(spool.append([])).rejects.toMatchObject({ name: "SpoolLost" });
    await spool.append(["a", "b", "c"]);
    await spool.remove(1);
    await spool.close();
    const again = await openRedisSpool({ url: own.url, name: "lost", clock: systemClock, journal: silentJournal });
    expect(await all(again)).toEqual(["b", "c"]);
    await again.close();
    await own[Symbol.asyncDispose]();
  });

  it("is written to by nobody but who has opened it last", async () => {
    const name = freshName();
    const old = await open(name);
    await old.append(["a"]);
    const spool = await open(name);
    expect(await all(spool)).toEqual(["a"]);
    await expect(old.append(["b"])).rejects.toThrow("another process");
    await expect(old.remove(1)).rejects.toThrow("another process");
    await spool.append(["c"]);
    for (const each of [old, spool]) await each.close();
  });

  it("keeps the spools of two stores apart", async () => {
    const names = [freshName(), freshName()] as const;
    const [one, other] = [await open(names[0]), await open(names[1])];
    await one.append(["one"]);
    await other.append(["other"]);
    await one.remove(1);
    await other.append(["more"]);
    for (const each of [one, other]) await each.close();
    const again = await open(names[1]);
    expect(await all(again)).toEqual(["other", "more"]);
    await again.close();
  });

  it("does not open while events may wait in it and nobody answers; else it opens, and answers later", async () => {
    const own = await RedisServer.start();
    await own.kill();
    const options = { url: own.url, name: "late", clock: systemClock, journal: silentJournal, callMs };
    await expect(openRedisSpool(options)).rejects.toMatchObject({ _tag: "LogUnavailable" });
    const spool = await openRedisSpool({ ...options, mustAnswer: false });
    await expect(spool.append(["a"])).rejects.toThrow();
    await own.restart();
    await spool.append(["b"]);
    await spool.close();
    const again = await openRedisSpool(options);
    expect(await all(again)).toEqual(["b"]);
    await again.close();
    await own[Symbol.asyncDispose]();
  });
});
