import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Scope from "effect/Scope";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditFile, AuditFileOptions } from "../../src/auth/audit-file.ts";
import type { AuditEntry } from "../../src/auth/audit-log.ts";
import { auditFile } from "../../src/auth/audit-opening.ts";
import { verifyAudit } from "../../src/auth/audit-verify.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { RaisedAlerts } from "../support/raised-alerts.ts";

const key = "k".repeat(32);
const seesAll = () => true;
let folder: string;
let file: string;
let alerts: RaisedAlerts;
const closers = new Set<() => Promise<void>>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runcast-audit-"));
  file = join(folder, "runcast.audit.jsonl");
  alerts = new RaisedAlerts();
});
afterEach(async () => {
  for (const close of [...closers]) await close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(
  options: Partial<AuditFileOptions> = {},
): Promise<{ audit: AuditFile; close: () => Promise<void> }> {
  const scope = Scope.makeUnsafe();
  const close = async (): Promise<void> => {
    closers.delete(close);
    await Effect.runPromise(Scope.close(scope, Exit.void));
  };
  const audit = await Effect.runPromise(
    auditFile({ file, clock: systemClock, alerts, ...options }).pipe(Scope.provide(scope)),
  );
  closers.add(close);
  return { audit, close };
}
const login = (userId: string): AuditEntry => ({ action: "auth_completed", tenantId: "default", userId });
/** A closed log with this many entries, `audit_opened` first. */
async function written(count: number, options: Partial<AuditFileOptions> = {}): Promise<string[]> {
  const { audit, close } = await open(options);
  for (let at = 1; at < count; at += 1) audit.record(login(`user-${at}`));
  await close();
  return linesOf();
}
const linesOf = (path = file): string[] => readFileSync(path, "utf8").split("\n").slice(0, -1);
const put = (lines: readonly string[]): void => writeFileSync(file, lines.map((line) => `${line}\n`).join(""));

describe("the audit log", () => {
  it("writes every entry in order, numbered and chained, for its owner's eyes only", async () => {
    const lines = (await written(50)).map((line) => JSON.parse(line));
    expect(lines.map(({ n }) => n)).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
    expect(lines.slice(1).map(({ entry }) => entry.userId)).toEqual(
      Array.from({ length: 49 }, (_, at) => `user-${at + 1}`),
    );
    expect(lines.slice(1).map(({ prev }) => prev)).toEqual(lines.slice(0, -1).map(({ hash }) => hash));
    for (const name of readdirSync(folder).filter((each) => !each.endsWith(".lock")))
      expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600);
  });

  it("goes on where the last process ended", async () => {
    await written(3);
    await written(3);
    expect(await verifyAudit({ file })).toMatchObject({ kind: "whole", count: 6 });
    expect(alerts.all).toEqual([]);
  });

  it("answers what was recorded a moment ago, from behind any entry", async () => {
    const { audit } = await open();
    for (let at = 2; at <= 3_000; at += 1) audit.record(login(`user-${at}`));
    const first = await audit.read({ after: 0, limit: 100, sees: seesAll });
    expect(first.entries.map(({ n }) => n)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
    expect(first.next).toBe(100);
    for (const after of [1, 99, 1_500, 2_997]) {
      const { entries } = await audit.read({ after, limit: 2, sees: seesAll });
      expect(entries.map(({ n, userId }) => [n, userId])).toEqual([
        [after + 1, `user-${after + 1}`],
        [after + 2, `user-${after + 2}`],
      ]);
    }
    expect(await audit.read({ after: 3_000, limit: 2, sees: seesAll })).toEqual({ entries: [], next: null });
  });

  it("goes on in a new file when one is full, and the chain goes across", async () => {
    const { audit, close } = await open({ maxFileBytes: 2_000 });
    for (let at = 2; at <= 40; at += 1) {
      audit.record(login(`user-${at}`));
      await audit.read({ after: 0, limit: 1, sees: seesAll });
    }
    const { entries } = await audit.read({ after: 0, limit: 1_000, sees: seesAll });
    expect(entries.map(({ n }) => n)).toEqual(Array.from({ length: 40 }, (_, at) => at + 1));
    expect((await audit.read({ after: 20, limit: 1, sees: seesAll })).entries[0]?.n).toBe(21);
    await close();
    expect(existsSync(`${file}.3`)).toBe(true);
    expect(statSync(`${file}.1`).size).toBeLessThanOrEqual(2_000);
    await written(2, { maxFileBytes: 2_000 });
    expect(await verifyAudit({ file })).toMatchObject({ kind: "whole", count: 42 });
    // The oldest are elsewhere: who knows where they ended verifies the rest.
    const last = JSON.parse(linesOf(`${file}.1`).at(-1) ?? "");
    renameSync(`${file}.1`, join(folder, "archived"));
    expect(await verifyAudit({ file })).toMatchObject({ kind: "broken", fault: "removed" });
    expect(await verifyAudit({ file, after: last })).toMatchObject({ kind: "whole", count: 42 - last.n });
  });

  it("is one process's at a time", async () => {
    await open();
    await expect(open()).rejects.toThrow(/in use by another process/);
  }, 10_000);

  it("refuses a place where nothing can be written, and says so", async () => {
    writeFileSync(join(folder, "file"), "");
    await expect(open({ file: join(folder, "file", "audit.jsonl") })).rejects.toMatchObject({
      _tag: "InvalidConfig",
      setting: "RUNCAST_AUDIT",
    });
  });

  it("drops the line that a crash tore, records it, and verifies", async () => {
    await written(3);
    const whole = statSync(file).size;
    appendFileSync(file, '{"n":4,"time":"20');
    expect(await verifyAudit({ file })).toMatchObject({ kind: "broken", fault: "torn", line: 4 });
    const { close } = await open();
    await close();
    expect(JSON.parse(linesOf().at(-1) ?? "").entry).toEqual({ action: "audit_opened", details: { tornBytes: 17 } });
    expect(statSync(file).size).toBeGreaterThan(whole);
    expect(await verifyAudit({ file })).toMatchObject({ kind: "whole", count: 4 });
    expect(alerts.all).toEqual([]);
  });

  it("raises an alert when it is not as it was left, and keeps the break to be seen", async () => {
    const lines = await written(5);
    put(lines.slice(0, 3));
    await written(2);
    expect(alerts.all.map(({ name }) => name)).toEqual(["AuditChainBroken"]);
    expect(await verifyAudit({ file })).toMatchObject({ fault: "removed", line: 4, what: /4 to 5 are missing/ });
  });

  it("keeps entries while it cannot be written, raises an alert, and writes them in order afterwards", async () => {
    const { audit, close } = await open();
    await audit.read({ after: 0, limit: 1, sees: seesAll });
    const away = join(folder, "away");
    renameSync(file, away);
    // No file can take its place.
    mkdirSync(file);
    audit.record(login("alice"));
    audit.record(login("bob"));
    await audit.read({ after: 0, limit: 1, sees: seesAll }).catch(() => {});
    expect([...alerts.standing]).toEqual(["AuditNotWritten"]);
    rmSync(file, { recursive: true });
    renameSync(away, file);
    const { entries } = await audit.read({ after: 1, limit: 9, sees: seesAll });
    expect(entries.map(({ userId }) => userId)).toEqual(["alice", "bob"]);
    expect(alerts.standing.size).toBe(0);
    await close();
    expect(await verifyAudit({ file })).toMatchObject({ kind: "whole", count: 3 });
  });

  it("never throws at who records, and says how many it had no room for", async () => {
    const { audit, close } = await open();
    for (let at = 0; at < 25_000; at += 1) audit.record(login("flood"));
    await close();
    const last = JSON.parse(linesOf().at(-1) ?? "").entry;
    expect(last).toMatchObject({ action: "audit_lost" });
    expect(linesOf().length - 2 + last.details.count).toBe(25_000);
    expect(await verifyAudit({ file })).toMatchObject({ kind: "whole" });
  });

  it("begins a new file when somebody takes its own away, and what was taken is missed", async () => {
    const { audit, close } = await open();
    audit.record(login("alice"));
    await audit.read({ after: 0, limit: 1, sees: seesAll });
    rmSync(file);
    audit.record(login("bob"));
    await close();
    expect(await verifyAudit({ file })).toMatchObject({ fault: "removed", line: 1 });
  });
});

describe.each([
  ["without a key", undefined],
  ["with a key", key],
])("the verification of an audit log %s", (_, sealedWith) => {
  const options = { key: sealedWith };
  const verify = () => verifyAudit({ file, ...options });

  it("gives count and head of what is whole", async () => {
    const lines = await written(9, options);
    expect(await verify()).toEqual({ kind: "whole", count: 9, end: { n: 9, hash: JSON.parse(lines[8] ?? "").hash } });
  });

  it("finds every changed byte of every line", async () => {
    const lines = await written(4, options);
    for (const [at, line] of lines.entries())
      for (let place = 0; place < line.length; place += 7) {
        const other = line[place] === "x" ? "y" : "x";
        put(lines.with(at, line.slice(0, place) + other + line.slice(place + 1)));
        expect(await verify(), `${at}:${place}`).toMatchObject({ kind: "broken", fault: "changed", line: at + 1 });
      }
  });

  it.each([0, 1, 4, 7])("finds that line %i was removed", async (at) => {
    put((await written(9, options)).toSpliced(at, 1));
    expect(await verify()).toMatchObject({ kind: "broken", fault: "removed", line: at + 1 });
  });

  it.each([
    [0, 1],
    [2, 6],
    [7, 8],
  ])("finds that lines %i and %i were exchanged", async (left, right) => {
    const lines = await written(9, options);
    put(lines.with(left, lines[right] ?? "").with(right, lines[left] ?? ""));
    expect(await verify()).toMatchObject({ kind: "broken", fault: "reordered", line: left + 1 });
  });

  it("finds a line that stands there twice", async () => {
    const lines = await written(9, options);
    put(lines.toSpliced(5, 0, lines[2] ?? ""));
    expect(await verify()).toMatchObject({ kind: "broken", fault: "reordered", line: 6 });
  });

  it.each([1, 3, 9])("finds that the last %i lines were cut", async (count) => {
    put((await written(9, options)).slice(0, 9 - count));
    expect(await verify()).toMatchObject({ kind: "broken", fault: "cut" });
  });

  it("takes half a line that was whole once for a cut, not for a crash", async () => {
    await written(9, options);
    truncateSync(file, statSync(file).size - 20);
    expect(await verify()).toMatchObject({ kind: "broken", fault: "cut", line: 9 });
  });

  it("finds that the head is gone, or is another", async () => {
    await written(9, options);
    const head = readFileSync(`${file}.head`, "utf8");
    writeFileSync(`${file}.head`, head.replace('"n":9', '"n":8'));
    expect(await verify()).toMatchObject({ kind: "broken", fault: "changed" });
    rmSync(`${file}.head`);
    expect(await verify()).toMatchObject({ kind: "broken", fault: "no head" });
  });
});

describe("a key", () => {
  it("finds a log that was written anew, head and all, by somebody who has only the files", async () => {
    await written(5, { key });
    rmSync(file);
    rmSync(`${file}.head`);
    await written(5);
    expect(await verifyAudit({ file })).toMatchObject({ kind: "whole" });
    expect(await verifyAudit({ file, key })).toMatchObject({ kind: "broken", fault: "changed" });
  });

  it("is asked for where lines were sealed with one", async () => {
    await written(5, { key });
    expect(await verifyAudit({ file })).toMatchObject({ kind: "broken", fault: "no key", line: 1 });
  });

  it("may be given to a log that began without one, and not be taken away again", async () => {
    await written(5);
    await written(5, { key });
    expect(await verifyAudit({ file, key })).toMatchObject({ kind: "whole", count: 10 });
    await written(5);
    expect(await verifyAudit({ file, key })).toMatchObject({ kind: "broken", fault: "changed", line: 11 });
  });
});
