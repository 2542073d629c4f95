import { describe, expect, it } from "vitest";
import { LogFull, LogUnavailable } from "../../src/errors.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { watchedLog } from "../../src/log/watched-log.ts";
import { rejection } from "../../src/testing/event-log/law.ts";
import { alice, notice, wide } from "../../src/testing/event-log/sample.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";

const probeMs = 1_000;

/** A log whose writes fail as it is told, over a real one. */
function world() {
  const clock = manualClock();
  const lines: { readonly level: string; readonly what: string; readonly fields: unknown }[] = [];
  const real = memoryLog();
  const state = { failure: undefined as Error | undefined, walBytes: 0, probes: 0, corrupt: [] as number[] };
  const failing: EventLog = {
    ...real,
    append: async (append) => {
      if (state.failure !== undefined) throw state.failure;
      return real.append(append);
    },
    read: async (stream, after, limit) => ({ ...(await real.read(stream, after, limit)), corrupt: state.corrupt }),
    probe: async () => {
      state.probes += 1;
      if (state.failure !== undefined) throw state.failure;
    },
    walBytes: () => state.walBytes,
  };
  const journal = { write: (level: string, what: string, fields: unknown) => void lines.push({ level, what, fields }) };
  const log = watchedLog(failing, { journal, clock, maxWalBytes: 100 });
  return { log, clock, state, lines, said: () => lines.map(({ level, what }) => `${level} ${what}`) };
}

const full = () => new LogFull({ message: "no room", retryAfterMs: 1 });

describe("a watched log", () => {
  it("says once that it is down, asks until it is up, and says that too", async () => {
    const { log, clock, state, lines, said } = world();
    state.failure = full();
    for (const name of ["a", "b"]) expect(await rejection(log.append(notice(alice, name)))).toBe(state.failure);
    expect(log.health()).toMatchObject({ logUp: 0, logFailures: 2 });
    expect(said()).toEqual(["error log.down"]);
    expect(lines[0]?.fields).toMatchObject({ because: "full" });
    for (let round = 0; round < 3; round += 1) await clock.advance(probeMs);
    expect(state.probes).toBe(3);
    expect(said()).toEqual(["error log.down"]);
    state.failure = undefined;
    await clock.advance(probeMs);
    expect(log.health()).toMatchObject({ logUp: 1, logFailures: 2 });
    expect(said()).toEqual(["error log.down", "info log.up"]);
    expect(lines[1]?.fields).toEqual({ downMs: 4 * probeMs });
    await clock.advance(10 * probeMs);
    expect(state.probes).toBe(4);
  });

  it("is up with the first write that succeeds, and down again with the next that does not", async () => {
    const { log, clock, state, said } = world();
    state.failure = new LogUnavailable({ message: "disk", retryAfterMs: 1 });
    await rejection(log.append(notice(alice, "a")));
    state.failure = undefined;
    await log.append(notice(alice, "a"));
    expect(log.health().logUp).toBe(1);
    state.failure = full();
    await rejection(log.append(notice(alice, "b")));
    expect(said()).toEqual(["error log.down", "info log.up", "error log.down"]);
    log.rest();
    await clock.advance(10 * probeMs);
    expect(state.probes).toBe(0);
  });

  it("takes no other error for a word about the disk", async () => {
    const { log, state, said } = world();
    state.failure = new TypeError("a bug");
    await rejection(log.append(notice(alice, "a")));
    expect([log.health().logUp, said()]).toEqual([1, []]);
  });

  it("names each corrupt event once, whoever reads it", async () => {
    const { log, state, lines } = world();
    await log.append(notice(alice, "a", "b", "c"));
    state.corrupt = [2, 3];
    for (let round = 0; round < 3; round += 1) await log.read(alice, 0, wide);
    state.corrupt = [1, 2, 3];
    await log.read(alice, 0, wide);
    expect(log.health().corruptEvents).toBe(3);
    expect(lines.map(({ fields }) => fields)).toEqual([
      { tenantId: "acme", userId: "alice", from: 2, upto: 3, events: 2 },
      { tenantId: "acme", userId: "alice", from: 1, upto: 1, events: 1 },
    ]);
  });

  it("warns of a WAL that grows, once, and says when it has shrunk", async () => {
    const { log, state, said } = world();
    for (const [name, bytes] of [
      ["a", 101],
      ["b", 200],
      ["c", 90],
      ["d", 101],
    ] as const) {
      state.walBytes = bytes;
      await log.append(notice(alice, name));
    }
    expect(said()).toEqual(["warn log.walGrows", "info log.walShrank", "warn log.walGrows"]);
    expect(log.health().logWalBytes).toBe(101);
  });
});
