import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openFileSpool } from "../../src/spool/file.ts";
import { leftBehind } from "../../src/spool/left-behind.ts";
import { openSpoolMark } from "../../src/spool/mark.ts";
import { besideStore, redisMarkOf, storeName } from "../../src/spool/open-spool.ts";
import { silentJournal } from "../../src/telemetry/journal.ts";

let folder: string;
let file: string;
let standard: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runcast-left-"));
  file = join(folder, "runcast.db");
  standard = join(folder, "runcast-spool");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const found = (directory = "elsewhere") =>
  leftBehind(file, { kind: "file", directory: join(folder, directory) }, standard);

describe("what was left in a spool", () => {
  it.each([
    ["beside the store", () => besideStore(file)],
    ["where the server has it", () => join(standard, storeName(file))],
    ["in the folder that is named", () => join(folder, "named", storeName(file))],
  ])("is found %s, while something waits there", async (_, at) => {
    const path = at();
    expect(await found("named")).toBeUndefined();
    const spool = await openFileSpool({ folder: path, journal: silentJournal });
    await spool.append(["a", "b"]);
    await spool.close();
    expect(await found("named")).toEqual({ path, what: "events" });
    const again = await openFileSpool({ folder: path, journal: silentJournal });
    await again.remove(2);
    await again.close();
    expect(await found("named")).toBeUndefined();
  });

  it("is what the last server has noted, of a spool in Redis too, and of events that nothing durable held", async () => {
    const marks = [join(standard, storeName(file), "state"), redisMarkOf(file)];
    for (const path of marks) {
      const mark = await openSpoolMark(path);
      expect(await found()).toBeUndefined();
      await mark.write("spooling");
      expect(await found()).toMatchObject({ what: "events" });
      await mark.write("direct");
      expect(await found()).toMatchObject({ what: "unwritten" });
      await mark.write("clean");
      expect(await found()).toBeUndefined();
      await mark.close();
    }
  });

  it("counts as something when it is damaged", async () => {
    const path = besideStore(file);
    const spool = await openFileSpool({ folder: path, journal: silentJournal });
    await spool.append(["a"]);
    await spool.close();
    const [segment = ""] = readdirSync(path).filter((name) => name.endsWith(".spool"));
    writeFileSync(join(path, segment), Buffer.from([1, 0, 0, 0, 9, 9, 9, 9, 65]));
    expect(await found()).toMatchObject({ what: "events" });
  });
});
