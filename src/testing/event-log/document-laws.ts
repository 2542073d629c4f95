/** The laws of documents: the newest stands, its version says who was first, and a kind sees only its own. */
import type { LawBook, MadeLog } from "./law.ts";

export function documentLaws({ law, expect }: LawBook): void {
  law("keeps the newest value of a document, to the letter, with its version", async (log) => {
    const value = '{ "n":1, "é":"\\u0000" }';
    expect(await log.putDocument({ kind: "flags", key: "a", value: "1" })).toEqual({ kind: "written", version: 1 });
    expect(await log.putDocument({ kind: "flags", key: "a", value })).toEqual({ kind: "written", version: 2 });
    expect(await log.documents({ kind: "flags", limit: 9 })).toEqual([{ kind: "flags", key: "a", value, version: 2 }]);
  });

  law("writes what names a version only at that version", async (log) => {
    const put = (value: string | undefined, expected: number) =>
      log.putDocument({ kind: "flags", key: "a", value, expected });
    expect(await put("1", 1)).toEqual({ kind: "version_conflict", version: 0 });
    expect(await put("1", 0)).toEqual({ kind: "written", version: 1 });
    expect(await put("2", 0)).toEqual({ kind: "version_conflict", version: 1 });
    const both = await Promise.all([put("3", 1), put("4", 1)]);
    expect(both.map(({ kind }) => kind)).toEqual(["written", "version_conflict"]);
    expect(await put(undefined, 1)).toEqual({ kind: "version_conflict", version: 2 });
    expect(await put(undefined, 2)).toEqual({ kind: "written", version: 0 });
    expect(await log.documents({ kind: "flags", limit: 9 })).toEqual([]);
  });

  law("lists a kind by key in code points, from a place, under a prefix", async (log) => {
    for (const key of ["b", "a/2", "a/1", "a", "\u{1F600}", "\uFFFD", "%"]) {
      await log.putDocument({ kind: "k", key, value: "0" });
    }
    await log.putDocument({ kind: "k2", key: "a/3", value: "0" });
    const keys = async (query: { prefix?: string; after?: string; limit?: number }) =>
      (await log.documents({ kind: "k", limit: 9, ...query })).map(({ key }) => key);
    expect(await keys({})).toEqual(["%", "a", "a/1", "a/2", "b", "\uFFFD", "\u{1F600}"]);
    expect(await keys({ prefix: "a/" })).toEqual(["a/1", "a/2"]);
    expect(await keys({ after: "a/1", limit: 2 })).toEqual(["a/2", "b"]);
    expect(await keys({ prefix: "%" })).toEqual(["%"]);
  });
}

export function documentPersistenceLaws({ law, expect }: LawBook): void {
  law("has its documents again when it is opened anew", async (log, { reopen }: MadeLog) => {
    await log.putDocument({ kind: "flags", key: "a", value: "1" });
    await log.putDocument({ kind: "flags", key: "a", value: "2" });
    const again = await reopen?.();
    expect(await again?.documents({ kind: "flags", limit: 9 })).toEqual([
      { kind: "flags", key: "a", value: "2", version: 2 },
    ]);
  });
}
