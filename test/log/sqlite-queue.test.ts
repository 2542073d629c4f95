import { describe, expect, it } from "vitest";
import { LogUnavailable } from "../../src/errors.ts";
import type { WriteAnswers, WriteGroup } from "../../src/log/sqlite-messages.ts";
import { SqliteQueue } from "../../src/log/sqlite-queue.ts";
import { alice, event, run1, tenant } from "../../src/testing/event-log/sample.ts";
import { turn } from "../../src/testing/manual-clock.ts";

/** A queue before a disk that takes a group when the test says so. */
function world(maxBytes = 1_000_000_000) {
  const groups: {
    readonly group: WriteGroup;
    readonly answer: (answers?: WriteAnswers) => void;
    readonly fail: (error: Error) => void;
  }[] = [];
  const queue = new SqliteQueue(
    (group) =>
      new Promise((resolve, reject) => {
        const all: WriteAnswers = group.order.flatMap((_, at) => [at + 1, 0, 0]);
        groups.push({ group, answer: (answers = all) => resolve(answers), fail: reject });
      }),
    maxBytes,
  );
  const outcomes: unknown[] = [];
  const add = (eventCount: number, bytes = 1, fsync = true) => {
    const at = outcomes.push("waits") - 1;
    queue.add({
      what: { stream: alice, events: Array.from({ length: eventCount }, (_, index) => event(`${index}`)) },
      fsync,
      bytes,
      settle: (answer) => (outcomes[at] = answer),
      fail: (error) => (outcomes[at] = error),
    });
  };
  const sizes = () => groups.map(({ group }) => group.order.length);
  return { queue, groups, add, outcomes, sizes };
}

describe("the queue before the SQLite log's thread", () => {
  it("sends at the end of the turn what came within it, and then what came meanwhile", async () => {
    const { add, groups, sizes, outcomes } = world();
    for (let count = 0; count < 3; count += 1) add(1);
    expect(sizes()).toEqual([]);
    await turn();
    expect(sizes()).toEqual([3]);
    for (let count = 0; count < 2; count += 1) add(1);
    await turn();
    expect(sizes()).toEqual([3]);
    groups[0]?.answer();
    await turn();
    expect(sizes()).toEqual([3, 2]);
    expect(outcomes).toEqual([[1, 0, 0], [2, 0, 0], [3, 0, 0], "waits", "waits"]);
  });

  it("puts 4,096 events into one commit at most, or one append", async () => {
    const { add, groups, sizes } = world();
    for (const count of [4_000, 96, 1, 5_000, 1]) add(count);
    for (let commits = 0; commits < 4; commits += 1) {
      await turn();
      groups[commits]?.answer();
    }
    await turn();
    expect(sizes()).toEqual([2, 1, 1, 1]);
  });

  it("puts 8 MiB into one commit at most, or one append", async () => {
    const mebi = 2 ** 20;
    const { add, groups, sizes } = world();
    for (const bytes of [6 * mebi, 2 * mebi, 1, 20 * mebi, 1]) add(1, bytes);
    for (let commits = 0; commits < 4; commits += 1) {
      await turn();
      groups[commits]?.answer();
    }
    await turn();
    expect(sizes()).toEqual([2, 1, 1, 1]);
  });

  it("refuses at once what would wait beyond its bound, and takes more when there is room", async () => {
    const { add, groups, outcomes } = world(100);
    add(1, 60);
    add(1, 40);
    add(1, 1);
    expect(outcomes.slice(0, 2)).toEqual(["waits", "waits"]);
    expect(outcomes[2]).toBeInstanceOf(LogUnavailable);
    expect(outcomes[2]).toMatchObject({ message: "more than 100 bytes wait for the disk", retryAfterMs: 1_000 });
    await turn();
    // What is on its way to the disk waits no more.
    add(1, 100);
    add(1, 1);
    expect([outcomes[3], outcomes[4] instanceof LogUnavailable]).toEqual(["waits", true]);
    groups[0]?.answer();
    await turn();
    groups[1]?.answer();
    await turn();
    expect(outcomes[3]).toEqual([1, 0, 0]);
  });

  it("takes one write that is greater than its bound when nothing else waits", () => {
    const { add, outcomes } = world(100);
    add(1, 500);
    expect(outcomes).toEqual(["waits"]);
  });

  it("counts what leaves in parts, so that the bound stays where it is", async () => {
    const mebi = 2 ** 20;
    const { add, groups, outcomes } = world(20 * mebi);
    for (const bytes of [6, 6, 6]) add(1, bytes * mebi);
    await turn();
    groups[0]?.answer();
    await turn();
    groups[1]?.answer();
    await turn();
    groups[2]?.answer();
    await turn();
    add(1, 15 * mebi);
    add(1, 5 * mebi);
    add(1, 1);
    expect(outcomes.slice(3).map((outcome) => outcome === "waits")).toEqual([true, true, false]);
  });

  it("waits for the disk when any of a group must", async () => {
    for (const [wishes, fsync] of [
      [[false, true], true],
      [[true, false], true],
      [[false, false], false],
    ] as const) {
      const { add, groups } = world();
      for (const wish of wishes) add(1, 1, wish);
      await turn();
      expect(groups[0]?.group.fsync).toBe(fsync);
    }
  });

  it("hands rare writes on in their place, and settles each with its own answer", async () => {
    const { queue, add, groups, outcomes } = world();
    add(1);
    const claim = { op: "claim", tenantId: tenant, runId: run1 } as const;
    const claimed: unknown[] = [];
    queue.add({ what: claim, fsync: true, bytes: 1, settle: (answer) => claimed.push(answer), fail: () => {} });
    add(1);
    await turn();
    expect(groups[0]?.group.order).toEqual(["append", claim, "append"]);
    groups[0]?.answer([7, 3, 1, { kind: "no_run" }, 8, 4, 1]);
    await turn();
    expect([outcomes, claimed]).toEqual([
      [
        [7, 3, 1],
        [8, 4, 1],
      ],
      [{ kind: "no_run" }],
    ]);
  });

  it("fails all of a group that was not written, and goes on with the next", async () => {
    const { add, groups, outcomes } = world();
    add(1);
    add(1);
    await turn();
    add(1);
    const error = new Error("no disk");
    groups[0]?.fail(error);
    await turn();
    groups[1]?.answer();
    await turn();
    expect(outcomes).toEqual([error, error, [1, 0, 0]]);
  });

  it("fails a write whose answer was left out", async () => {
    const { add, groups, outcomes } = world();
    add(1);
    add(1);
    await turn();
    groups[0]?.answer([1, 0, 0]);
    await turn();
    expect(outcomes[0]).toEqual([1, 0, 0]);
    expect(String(outcomes[1])).toContain("left an answer out");
  });

  it("is idle when everything is settled", async () => {
    const { queue, add, groups } = world();
    await queue.idle();
    add(1);
    let isIdle = false;
    const idle = queue.idle().then(() => (isIdle = true));
    await turn();
    expect(isIdle).toBe(false);
    add(1);
    groups[0]?.answer();
    await turn();
    expect(isIdle).toBe(false);
    groups[1]?.answer();
    await idle;
  });
});
