import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { memoryLog } from "../../src/log/memory.ts";
import { alertDocument, alertFile } from "../../src/telemetry/alert-places.ts";
import { alert, folder, memoryPlace, openDesk, shown, TestSink } from "./support/alert-desk.ts";

const minuteMs = 60_000;
const childMs = 15_000;

describe("the alert board", () => {
  it("tells an alert once when it begins and once when it is over", async () => {
    const sink = new TestSink();
    const { board, clock, lines } = openDesk({ sinks: [sink] });
    board.raise(alert());
    board.raise(alert("LogDown", { summary: "still" }));
    await clock.advance(1_000);
    board.raise(alert());
    await clock.advance(minuteMs);
    expect(shown(sink.taken)).toEqual(["firing LogDown"]);
    board.resolve("LogDown");
    board.resolve("LogDown");
    await clock.advance(minuteMs);
    expect(shown(sink.taken)).toEqual(["firing LogDown", "resolved LogDown"]);
    expect(sink.taken[1]).toMatchObject({
      startedAt: "2026-01-01T00:00:00.000Z",
      endedAt: "2026-01-01T00:01:01.000Z",
      severity: "critical",
      summary: "LogDown holds",
    });
    expect(lines).toEqual(["error alert.firing", "info alert.resolved"]);
    board.raise(alert());
    await clock.advance(1);
    expect(shown(sink.taken).at(-1)).toBe("firing LogDown");
  });

  it("takes one name with other labels for another condition, whatever their order", async () => {
    const { board } = openDesk();
    board.raise(alert("BreakerOpen", { labels: { breaker: "log", node: "a" } }));
    board.raise(alert("BreakerOpen", { labels: { node: "a", breaker: "log" } }));
    board.raise(alert("BreakerOpen", { labels: { breaker: "email", node: "a" } }));
    expect(board.active().map(({ labels }) => labels?.["breaker"])).toEqual(["log", "email"]);
    board.resolve("BreakerOpen", { breaker: "log", node: "a" });
    board.resolve("BreakerOpen");
    expect(board.active().map(({ labels }) => labels?.["breaker"])).toEqual(["email"]);
  });

  it("hands what is said in one turn over in one call, to every sink", async () => {
    const sinks = [new TestSink("a"), new TestSink("b")];
    const { board, clock } = openDesk({ sinks });
    for (const name of ["A", "B", "C"]) board.raise(alert(name));
    await clock.advance(1);
    for (const sink of sinks) expect([sink.calls, sink.taken.length]).toEqual([1, 3]);
  });

  it("is red for what is critical, yellow for a warning or one that waits, else green", async () => {
    const sink = new TestSink();
    const { board, clock } = openDesk({ sinks: [sink] });
    expect(board.health).toBe("green");
    board.raise(alert("A", { severity: "warning" }));
    expect(board.health).toBe("yellow");
    board.raise(alert("B"));
    expect(board.health).toBe("red");
    sink.mode = "rejects";
    board.resolve("B");
    board.resolve("A");
    await clock.advance(500);
    expect(board.active()).toEqual([]);
    expect(board.health).toBe("yellow");
    sink.mode = "takes";
    await clock.advance(minuteMs);
    expect(board.health).toBe("green");
  });

  it("says once that it holds no more, when somebody makes names up", () => {
    const { board, lines } = openDesk();
    for (let made = 0; made < 1_100; made += 1) board.raise(alert(`made-up-${made}`));
    expect(board.active().length).toBe(1_000);
    expect(lines.filter((line) => line === "error alert.tooMany").length).toBe(1);
  });
});

describe("a sink that does not take alerts", () => {
  it("is asked again after pauses that double, and loses none", async () => {
    const sink = new TestSink();
    sink.mode = "rejects";
    const { board, clock, lines } = openDesk({ sinks: [sink] });
    board.raise(alert("A"));
    board.raise(alert("B"));
    const calls: number[] = [];
    for (const ms of [500, 600, 2_100, 4_100]) {
      await clock.advance(ms);
      calls.push(sink.calls);
    }
    expect(calls).toEqual([1, 2, 3, 4]);
    expect(shown(board.waiting()["pager"] ?? [])).toEqual(["firing A", "firing B"]);
    expect(lines.filter((line) => line === "error alert.notTold").length).toBe(1);
    sink.mode = "takes";
    await clock.advance(minuteMs);
    expect(shown(sink.taken)).toEqual(["firing A", "firing B"]);
    expect(board.waiting()).toEqual({ pager: [] });
  });

  it("opens its breaker, and is called by no more than its probes until it takes them", async () => {
    const sink = new TestSink();
    sink.mode = "rejects";
    const { board, clock, breaker } = openDesk({ sinks: [sink] });
    board.raise(alert("A"));
    await clock.advance(20_000);
    expect(breaker.state).toBe("open");
    expect(sink.calls).toBe(5);
    await clock.advance(25_000);
    board.raise(alert("B"));
    await clock.advance(20_000);
    expect(sink.calls).toBeLessThanOrEqual(7);
    sink.mode = "takes";
    await clock.advance(2 * minuteMs);
    expect(shown(sink.taken)).toEqual(["firing A", "firing B"]);
  });

  it("does not keep the other one from them", async () => {
    const [dead, live] = [new TestSink("dead"), new TestSink("live")];
    dead.mode = "rejects";
    const { board, clock } = openDesk({ sinks: [dead, live] });
    for (let minute = 0; minute < 5; minute += 1) {
      board.raise(alert(`A${minute}`));
      await clock.advance(minuteMs);
    }
    expect(live.taken.length).toBe(5);
    expect(board.waiting()["dead"]?.length).toBe(5);
  });

  it("is given up when it does not answer, and holds nobody up", async () => {
    const sink = new TestSink();
    sink.mode = "hangs";
    const { board, clock } = openDesk({ sinks: [sink] });
    board.raise(alert("A"));
    await clock.advance(10_100);
    expect(sink.aborted).toBe(1);
    sink.mode = "takes";
    await clock.advance(2_000);
    expect(shown(sink.taken)).toEqual(["firing A"]);
  });

  it("costs bounded memory: the oldest go, and that is said", async () => {
    const sink = new TestSink();
    sink.mode = "rejects";
    const { board, clock, lines } = openDesk({ sinks: [sink] });
    for (let turn = 0; turn < 300; turn += 1) {
      board.raise(alert(`A${turn}`));
      board.resolve(`A${turn}`);
    }
    await clock.advance(1);
    expect(board.waiting()["pager"]?.length).toBe(500);
    expect(board.waiting()["pager"]?.at(-1)?.name).toBe("A299");
    expect(lines).toContain("error alert.dropped");
  });
});

describe("an alert and a restart", () => {
  it.each(["file", "document"] as const)("what waits in a %s is told by the next process, once", async (kind) => {
    using there = folder();
    const log = memoryLog();
    const place = kind === "file" ? alertFile(join(there.path, "deep", "alerts")) : alertDocument(log);
    const sink = new TestSink();
    sink.mode = "rejects";
    const before = openDesk({ sinks: [sink], place });
    await before.clock.advance(1);
    before.board.raise(alert("A"));
    before.board.raise(alert("B"));
    before.board.resolve("B");
    await expect.poll(async () => (await place.read())?.includes('"B"')).toBe(true);
    // It is killed: nothing is tidied up.
    const next = new TestSink();
    const after = openDesk({ sinks: [next], place });
    await expect.poll(() => next.taken.length).toBe(3);
    expect(shown(next.taken)).toEqual(["firing A", "firing B", "resolved B"]);
    expect(shown(after.board.active())).toEqual(["firing A"]);
    await expect.poll(async () => (await place.read())?.includes('"waiting":{"pager":[]}')).toBe(true);
  });

  it("does not repeat what was told and holds still", async () => {
    const place = memoryPlace();
    const before = openDesk({ sinks: [new TestSink()], place });
    await before.clock.advance(1);
    before.board.raise(alert("A"));
    await before.clock.advance(1);
    await before.board.close();
    const sink = new TestSink();
    const after = openDesk({ sinks: [sink], place });
    after.board.raise(alert("A"));
    await after.clock.advance(10 * minuteMs);
    expect(sink.taken).toEqual([]);
    after.board.resolve("A");
    await after.clock.advance(1);
    expect(sink.taken).toMatchObject([{ name: "A", state: "resolved", startedAt: "2026-01-01T00:00:00.001Z" }]);
  });

  it("tells as over what does not show itself again", async () => {
    const place = memoryPlace();
    const before = openDesk({ sinks: [new TestSink()], place });
    await before.clock.advance(1);
    before.board.raise(alert("A"));
    await before.clock.advance(1);
    const sink = new TestSink();
    const after = openDesk({ sinks: [sink], place });
    await after.clock.advance(2 * minuteMs);
    expect(sink.taken).toEqual([]);
    await after.clock.advance(2 * minuteMs);
    expect(shown(sink.taken)).toEqual(["resolved A"]);
  });

  it.each(["", "no JSON", "{}", '{"active":[{}],"waiting":{}}', '{"active":[],"waiting":{"pager":"x"}}', "null"])(
    "begins with an empty board where its word cannot be read: %j",
    async (text) => {
      const sink = new TestSink();
      const { board, clock, lines } = openDesk({ sinks: [sink], place: memoryPlace(text) });
      board.raise(alert("A"));
      await clock.advance(1);
      expect(lines[0]).toBe("warn alert.keepUnreadable");
      expect(shown(sink.taken)).toEqual(["firing A"]);
    },
  );

  it("goes on where its word cannot be written, and says so once", async () => {
    const place = memoryPlace();
    place.isBroken = true;
    const sink = new TestSink();
    const { board, clock, lines } = openDesk({ sinks: [sink], place });
    for (const name of ["A", "B"]) {
      board.raise(alert(name));
      await clock.advance(1);
    }
    expect(shown(sink.taken)).toEqual(["firing A", "firing B"]);
    expect(lines.filter((line) => line === "error alert.notKept").length).toBe(1);
    place.isBroken = false;
    await board.close();
    expect(place.text).toContain('"A"');
  });

  it("waits for no place that does not answer", async () => {
    const sink = new TestSink();
    const silent = { read: () => new Promise<undefined>(() => {}), write: async () => {} };
    const { board, clock } = openDesk({ sinks: [sink], place: silent });
    board.raise(alert("A"));
    await clock.advance(6_000);
    expect(shown(sink.taken)).toEqual(["firing A"]);
  });
});

describe("the file of the alert board", () => {
  it("is read as it was written, replaced as a whole, and for its owner alone", async () => {
    using there = folder();
    const path = join(there.path, "alerts");
    const place = alertFile(path);
    expect(await place.read()).toBeUndefined();
    await place.write("one");
    await place.write("two");
    expect(await place.read()).toBe("two");
    writeFileSync(`${path}.new`, "half");
    expect(await place.read()).toBe("two");
    await place.write("three");
    expect(readFileSync(path, "utf8")).toBe("three");
  });

  it("is written where it was meant to be, also when the folder of the process is gone", async () => {
    using there = folder();
    const program = `
      import { rmdirSync } from "node:fs";
      const { alertFile } = await import(${JSON.stringify(new URL("../../src/telemetry/alert-places.ts", import.meta.url))});
      const place = alertFile("deep/alerts");
      rmdirSync(process.cwd());
      await place.write("said");`;
    const gone = join(there.path, "gone");
    mkdirSync(gone);
    await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: gone,
      timeout: childMs,
    });
    expect(readFileSync(join(gone, "deep/alerts"), "utf8")).toBe("said");
  });
});
