import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openFileSpool } from "../../src/spool/file.ts";
import type { Spool } from "../../src/spool/spool.ts";
import { SmallDisk } from "../support/disk/small-disk.ts";
import { spoolContract } from "./spool-contract.ts";

let folder: string;
let opened: Spool[];
let journal: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runcast-spool-"));
  opened = [];
  journal = [];
});
afterEach(async () => {
  for (const spool of opened) await spool.close();
  rmSync(folder, { recursive: true, force: true });
});

const segments = () => readdirSync(folder).filter((name) => name.endsWith(".spool"));

async function open(maxSegmentBytes?: number): Promise<Spool> {
  await opened.pop()?.close();
  const spool = await openFileSpool({
    folder,
    maxSegmentBytes,
    journal: { write: (_level, what) => void journal.push(what) },
  });
  opened.push(spool);
  return spool;
}

async function all(spool: Spool): Promise<string[]> {
  const found: string[] = [];
  for await (const text of spool.entries()) found.push(text);
  return found;
}

describe("the file spool", () => {
  spoolContract(
    async () => {
      const isTaken = (number: number): string => join(folder, `${String(number).padStart(12, "0")}.spool`);
      const numbers = Array.from({ length: 10 }, (_, index) => index + 2);
      return {
        // Each append needs a file of its own, and finds a folder under its name.
        spool: await open(0),
        reopen: () => open(0),
        fail: (isFailing) => {
          for (const number of numbers)
            if (isFailing) mkdirSync(isTaken(number));
            else rmSync(isTaken(number), { recursive: true });
        },
        dispose: async () => {},
      };
    },
    { it, expect },
  );

  it("cuts off what a full disk has taken a part of, and goes on when there is room", async ({ skip }) => {
    await using disk = new SmallDisk();
    skip(!disk.isMounted, "only root may mount a small disk");
    const spool = await openFileSpool({ folder: disk.folder, journal: { write: () => {} } });
    await spool.append(["a"]);
    await disk.fill(0);
    const big = "x".repeat(100_000);
    await expect(spool.append([big, big])).rejects.toMatchObject({ code: "ENOSPC" });
    await expect(spool.append([big])).rejects.toMatchObject({ code: "ENOSPC" });
    await disk.free();
    await spool.append(["b"]);
    await spool.close();
    const again = await openFileSpool({ folder: disk.folder, journal: { write: () => {} } });
    expect(await all(again)).toEqual(["a", "b"]);
    await again.close();
  });
});

describe("the files of the spool", () => {
  it("are made at first use, and gone when all that stands in them has left", async () => {
    const spool = await open();
    expect(segments()).toEqual([]);
    await spool.append(["a"]);
    expect(segments()).toEqual(["000000000001.spool"]);
    await spool.remove(1);
    expect(segments()).toEqual([]);
  });

  it("are left for the next one when they are long", async () => {
    const spool = await open(10);
    for (const text of ["a".repeat(20), "b", "c".repeat(20), "d"]) await spool.append([text]);
    expect(segments().length).toBeGreaterThan(2);
    await spool.remove(3);
    expect(await all(await open())).toEqual(["d"]);
  });

  it("may end in the middle of a record, which was never acknowledged", async () => {
    const spool = await open();
    await spool.append(["a", "b"]);
    const file = join(folder, "000000000001.spool");
    const whole = readFileSync(file);
    for (let cut = 1; cut < whole.length; cut += 1) {
      await opened.pop()?.close();
      writeFileSync(file, whole.subarray(0, cut));
      const found = await all(await open());
      expect(found).toEqual(["a", "b"].slice(0, Math.floor(cut / (whole.length / 2))));
      writeFileSync(file, whole);
    }
    expect(journal).toContain("spool.cutOff");
    expect(journal).not.toContain("spool.damaged");
  });

  it("that the disk has changed are told and kept, not read as something else", async () => {
    const spool = await open();
    await spool.append(["aaaa", "bbbb"]);
    await opened.pop()?.close();
    const file = join(folder, "000000000001.spool");
    const bytes = readFileSync(file);
    bytes[bytes.length - 1] = 0;
    writeFileSync(file, bytes);
    const again = await open();
    expect(await all(again)).toEqual(["aaaa"]);
    expect(journal).toContain("spool.damaged");
    await again.remove(1);
    expect(readdirSync(folder)).toContain("000000000001.spool.damaged");
  });

  it("behind one that was cut off keep their order", async () => {
    const spool = await open();
    await spool.append(["a"]);
    await opened.pop()?.close();
    appendFileSync(join(folder, "000000000001.spool"), Buffer.from([9, 0]));
    const again = await open();
    await again.append(["b"]);
    expect(await all(await open())).toEqual(["a", "b"]);
  });

  it("belong to one process: a second is refused, and one whose folder cannot be made is told which", async () => {
    await open();
    await expect(openFileSpool({ folder, journal: { write: () => {} } })).rejects.toMatchObject({
      _tag: "LogUnavailable",
    });
    writeFileSync(join(folder, "file"), "");
    await expect(
      openFileSpool({ folder: join(folder, "file", "x"), journal: { write: () => {} } }),
    ).rejects.toMatchObject({
      _tag: "InvalidConfig",
      setting: "spool",
    });
  });
});
