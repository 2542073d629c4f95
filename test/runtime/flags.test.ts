import { describe, expect, it } from "vitest";
import type { AuditEntry } from "../../src/auth/audit-log.ts";
import { FlagsConflict, InvalidInput, LogUnavailable } from "../../src/errors.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";

async function operated(log: EventLog = memoryLog()) {
  const entries: AuditEntry[] = [];
  const journal: string[] = [];
  const runtime = await runtimeUnderTest({
    log,
    auditLog: { record: (entry) => entries.push(entry) },
    journal: { write: (_, what) => journal.push(what) },
  });
  const { flags } = runtime.parts;
  return { ...runtime, flags, entries, journal };
}

describe("flags", () => {
  it("are as by default, at version 0, until somebody sets one", async () => {
    const { flags } = await operated();
    expect(flags.get()).toEqual({
      version: 0,
      flags: {
        batching: "asked",
        performanceMode: false,
        contaminationPolicy: "refuse",
        "fallbacks.spool": true,
        "fallbacks.direct": true,
        "fallbacks.webPush": true,
        "fallbacks.webhook": true,
        "fallbacks.email": true,
        "fallbacks.sms": true,
        "fallbacks.alert": true,
      },
    });
  });

  it("take the configured contamination policy for the default", async () => {
    const { parts } = await runtimeUnderTest({ contamination: "sanitize" });
    expect(parts.flags.valueOf("contaminationPolicy")).toBe("sanitize");
  });

  it("hold at once, for whom the rule names", async () => {
    const { flags } = await operated();
    await flags.set({ "fallbacks.email": { default: true, tenants: { acme: false } } }, "app");
    expect(flags.isOn("fallbacks.email")).toBe(true);
    expect(flags.isOn("fallbacks.email", "acme", "ann")).toBe(false);
    expect(flags.isOn("fallbacks.email", "globex", "ann")).toBe(true);
    const all = { default: false, percent: { value: true, percent: 100 } };
    await flags.set({ performanceMode: all }, "app");
    expect(flags.isOn("performanceMode", "globex", "ann")).toBe(true);
    // A share is of users: who is nobody in particular is in none.
    expect(flags.isOn("performanceMode", "globex")).toBe(false);
    expect(flags.isOn("performanceMode")).toBe(false);
  });

  it("outlive the process, and are there before the doors open", async () => {
    const log = memoryLog();
    const before = await operated(log);
    await before.flags.set({ performanceMode: true }, "app");
    const after = await operated(log);
    expect(after.flags.get()).toEqual(before.flags.get());
    expect(after.flags.get()).toMatchObject({ version: 1, flags: { performanceMode: true } });
  });

  it("go back set by set, each time as a new version, and no further than there is one", async () => {
    const { flags } = await operated();
    await flags.set({ performanceMode: true }, "app");
    await flags.set({ batching: "on" }, "app");
    expect(await flags.rollback("app")).toMatchObject({
      version: 3,
      flags: { performanceMode: true, batching: "asked" },
    });
    expect(await flags.rollback("app")).toMatchObject({
      version: 4,
      flags: { performanceMode: false, batching: "asked" },
    });
    await expect(flags.rollback("app")).rejects.toThrow(FlagsConflict);
    expect(flags.get().version).toBe(4);
  });

  it("remember twenty sets", async () => {
    const { flags } = await operated();
    for (let turn = 0; turn < 22; turn += 1) await flags.set({ performanceMode: turn % 2 === 0 }, "app");
    for (let turn = 0; turn < 20; turn += 1) await flags.rollback("app");
    await expect(flags.rollback("app")).rejects.toThrow("no set of flags before");
  });

  it("change nothing for a mistake, and name what would be right", async () => {
    const { flags } = await operated();
    const failure = await flags.set({ performanceMode: true, dance: 1 }, "app").catch((cause: unknown) => cause);
    expect(failure).toBeInstanceOf(InvalidInput);
    expect(failure).toMatchObject({ path: "dance", known: Object.keys(flags.get().flags) });
    expect(flags.get()).toMatchObject({ version: 0, flags: { performanceMode: false } });
  });

  it("stay where they are for a change that is none", async () => {
    const { flags, entries } = await operated();
    await flags.set({ performanceMode: true }, "app");
    expect((await flags.set({ performanceMode: true }, "app")).version).toBe(1);
    expect((await flags.set({}, "app")).version).toBe(1);
    expect(entries).toHaveLength(1);
    expect((await flags.set({ performanceMode: null }, "app")).flags.performanceMode).toBe(false);
  });

  it("are audited: who, what, and which version", async () => {
    const { flags, entries } = await operated();
    await flags.set({ performanceMode: true, "fallbacks.sms": false }, "key:ops");
    await flags.rollback("key:ops");
    expect(entries).toEqual([
      {
        action: "flags_changed",
        by: "key:ops",
        details: { version: 1, performanceMode: "true", "fallbacks.sms": "false" },
      },
      {
        action: "flags_rolled_back",
        by: "key:ops",
        details: { version: 2, restored: 0, performanceMode: "default", "fallbacks.sms": "default" },
      },
    ]);
  });

  it("let only one of two operators through who saw the same version", async () => {
    const { flags } = await operated();
    const outcomes = await Promise.allSettled([
      flags.set({ performanceMode: true }, "one", 0),
      flags.set({ performanceMode: false, batching: "on" }, "two", 0),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(outcomes[1]).toMatchObject({ reason: { _tag: "FlagsConflict", version: 1 } });
    expect(flags.get().flags).toMatchObject({ performanceMode: true, batching: "asked" });
  });

  it("let only one of two processes through, and bring the change of one to the other within a second", async () => {
    const log = { ...memoryLog(), isShared: true };
    const [one, two] = [await operated(log), await operated(log)];
    let told = 0;
    two.flags.onChange(() => {
      told += 1;
    });
    const outcomes = await Promise.allSettled([
      one.flags.set({ performanceMode: true }, "one"),
      two.flags.set({ performanceMode: true }, "two"),
    ]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    await two.clock.advance(1_000);
    expect(two.flags.get()).toMatchObject({ version: 1, flags: { performanceMode: true } });
    await one.flags.set({ batching: "on" }, "one");
    await two.clock.advance(1_000);
    expect(two.flags.get()).toMatchObject({ version: 2, flags: { batching: "on" } });
    expect(told).toBe(2);
    expect(two.journal).toContain("flags.changedElsewhere");
  });

  it("are not asked for again where nobody else can write", async () => {
    const log = memoryLog();
    let asked = 0;
    const counted: EventLog = {
      ...log,
      documents: (query) => {
        asked += query.kind === "flags" ? 1 : 0;
        return log.documents(query);
      },
    };
    const { clock } = await operated(counted);
    await clock.advance(10_000);
    expect(asked).toBe(1);
  });

  it("hold by default while the log does not answer, and are read once it does", async () => {
    const log = memoryLog();
    await (await operated(log)).flags.set({ performanceMode: true }, "app");
    let isDown = true;
    const failing: EventLog = {
      ...log,
      documents: (query) =>
        isDown ? Promise.reject(new LogUnavailable({ message: "down", retryAfterMs: 1 })) : log.documents(query),
    };
    const { flags, clock, journal } = await operated(failing);
    expect(flags.get().version).toBe(0);
    expect(journal).toContain("flags.notRead");
    isDown = false;
    await clock.advance(2_000);
    expect(flags.get()).toMatchObject({ version: 1, flags: { performanceMode: true } });
  });

  it("learn what became of a change whose outcome nobody knew", async () => {
    const log = memoryLog();
    const losing: EventLog = {
      ...log,
      putDocument: async (put) => {
        await log.putDocument(put);
        throw new LogUnavailable({ message: "no answer", retryAfterMs: 1 });
      },
    };
    const { flags, clock } = await operated(losing);
    await expect(flags.set({ performanceMode: true }, "app")).rejects.toThrow(LogUnavailable);
    expect(flags.get().version).toBe(0);
    await clock.advance(2_000);
    expect(flags.get()).toMatchObject({ version: 1, flags: { performanceMode: true } });
  });

  it("are as by default where another version of the product has written what this one does not know", async () => {
    const log = memoryLog();
    const set = { performanceMode: true, batching: "sideways", "x.future": 7 };
    await log.putDocument({ kind: "flags", key: "current", value: JSON.stringify({ set, previous: [] }) });
    const { flags } = await operated(log);
    expect(flags.get()).toMatchObject({ version: 1, flags: { performanceMode: true, batching: "asked" } });
    expect(flags.get().flags).not.toHaveProperty(["x.future"]);
    await flags.set({ "fallbacks.sms": false }, "app");
    const [stored] = await log.documents({ kind: "flags", limit: 1 });
    expect(JSON.parse(stored?.value ?? "").set).toEqual({ ...set, "fallbacks.sms": false });
  });
});

describe("performanceMode", () => {
  it("is the mode of runs that name none, and of no other", async () => {
    const { flags, start, log } = await operated();
    await flags.set({ performanceMode: { default: false, tenants: { acme: true } } }, "app");
    const modeOf = async (tenantId: string, mode?: "regular") => {
      const { runId } = await start({ tenantId, ...(mode && { mode }) });
      return (await log.run(tenantId as never, runId as never))?.mode;
    };
    expect(await modeOf("acme")).toBe("performance");
    expect(await modeOf("acme", "regular")).toBe("regular");
    expect(await modeOf("globex")).toBe("regular");
  });

  it("makes no other call of a start that is repeated after it has changed", async () => {
    const { flags, start } = await operated();
    const made = await start({ runId: "run-1" });
    await flags.set({ performanceMode: true }, "app");
    expect(await start({ runId: "run-1" })).toEqual(made);
  });
});

describe("contaminationPolicy", () => {
  const foreign = [{ type: "x.note", data: { userId: "mallory", text: "hi" } }];
  it("refuses or cleans by tenant, from the moment that it changes", async () => {
    const { flags, start, publish, log } = await operated();
    const run = await start();
    await expect(publish(run.runId, run.fence, foreign)).rejects.toMatchObject({ _tag: "Contaminated" });
    await flags.set({ contaminationPolicy: { default: "refuse", tenants: { default: "sanitize" } } }, "app");
    await publish(run.runId, run.fence, foreign);
    const [, kept] = await log.readRun("default" as never, run.runId as never, 0, { maxEvents: 9, maxBytes: 9_999 });
    expect(kept?.data).toBe(JSON.stringify({ text: "hi" }));
    await flags.set({ contaminationPolicy: null }, "app");
    await expect(publish(run.runId, run.fence, foreign)).rejects.toMatchObject({ _tag: "Contaminated" });
  });
});

describe("fallbacks.alert", () => {
  it("keeps alerts from being sent, and not from being held", async () => {
    const sent: string[] = [];
    const send = async (told: readonly { readonly name: string }[]) => void sent.push(...told.map(({ name }) => name));
    const { parts, clock } = await runtimeUnderTest({ alertSinks: [{ name: "pager", send }] });
    await parts.flags.set({ "fallbacks.alert": false }, "app");
    parts.alerts.raise({ name: "Quiet", severity: "critical", summary: "s" });
    await clock.advance(60_000);
    expect(sent).toEqual([]);
    await parts.flags.set({ "fallbacks.alert": true }, "app");
    parts.alerts.raise({ name: "Loud", severity: "critical", summary: "s" });
    await clock.advance(60_000);
    expect(sent).toContain("Loud");
  });
});

describe("the calls on flags", () => {
  it("are for admins", async () => {
    const { parts, call } = await operated();
    const other = { ...publisher, rights: ["publish"] as const };
    await expect(call(parts.service.flags(other))).rejects.toThrow("admin");
    await expect(call(parts.service.setFlags(other, {}))).rejects.toThrow("admin");
    await expect(call(parts.service.rollBackFlags(other))).rejects.toThrow("admin");
    expect((await call(parts.service.setFlags(publisher, { batching: "off" }))).version).toBe(1);
  });
});
