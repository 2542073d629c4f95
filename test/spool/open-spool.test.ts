import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { InvalidConfig, LogUnavailable } from "../../src/errors.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { openSpoolMark } from "../../src/spool/mark.ts";
import { type OpenSpoolTerms, openSpool } from "../../src/spool/open-spool.ts";
import { silentJournal } from "../../src/telemetry/journal.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runcast-open-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const sqlite = (name: string) => ({ kind: "sqlite" as const, file: join(folder, name) });
const open = ({ spool, store = sqlite("a.db") }: Partial<OpenSpoolTerms>) =>
  openSpool({ spool, store, commit: "fsync", clock: systemClock, journal: silentJournal });
/** Opens it, says something, closes it. */
const used = (terms: Partial<OpenSpoolTerms>, text?: string) =>
  Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(open(terms), (opened) =>
        Effect.promise(async () => {
          const found: string[] = [];
          for await (const each of opened?.spool.entries() ?? []) found.push(each);
          if (text !== undefined) await opened?.spool.append([text]);
          return opened && found;
        }),
      ),
    ),
  );
const failure = (terms: Partial<OpenSpoolTerms>): Promise<InvalidConfig | LogUnavailable> =>
  Effect.runPromise(Effect.flip(Effect.scoped(open(terms))));

describe("the spool of a store", () => {
  it("lies beside an SQLite store where nothing is said", async () => {
    expect(await used({}, "x")).toEqual([]);
    expect(existsSync(join(folder, "a.db.spool"))).toBe(true);
    expect(await used({})).toEqual(["x"]);
  });

  it("is a folder of its own for each store in the directory that is named", async () => {
    const spool = `file:${join(folder, "spools")}`;
    await used({ spool }, "of a");
    expect(await used({ spool, store: sqlite("b.db") })).toEqual([]);
    expect(await used({ spool })).toEqual(["of a"]);
    expect(readdirSync(join(folder, "spools"))).toHaveLength(2);
  });

  it("is none for memory, for a log of one's own, and where it is switched off", async () => {
    expect(await used({ store: { kind: "memory" } })).toBeUndefined();
    expect(await used({ store: { kind: "memory" }, spool: `file:${folder}` })).toBeUndefined();
    expect(await used({ store: memoryLog() })).toBeUndefined();
    expect(await used({ spool: false })).toBeUndefined();
    expect(await used({ spool: "none" })).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("is refused to a store that others write to, and under a name that is none", async () => {
    const store = { ...memoryLog(), isShared: true };
    expect(await failure({ store, spool: `file:${folder}` })).toMatchObject({
      _tag: "InvalidConfig",
      setting: "spool",
    });
    expect(await failure({ spool: "kafka:x" })).toMatchObject({ _tag: "InvalidConfig" });
    expect((await failure({ spool: "redis://user:secret@" })).message).not.toContain("secret");
  });
});

describe("the mark of a spool", () => {
  it("says to the next process what the last one was doing, in one byte that was there before", async () => {
    const path = join(folder, "state");
    const first = await openSpoolMark(path);
    expect(first.before).toBe("clean");
    await first.write("spooling");
    await first.write("direct");
    await first.close();
    const second = await openSpoolMark(path);
    expect(second.before).toBe("direct");
    await second.write("clean");
    await second.close();
    const third = await openSpoolMark(path);
    expect(third.before).toBe("clean");
    await third.close();
    await expect(openSpoolMark(join(path, "x"))).rejects.toMatchObject({ _tag: "InvalidConfig" });
  });
});
