import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { foldRunView } from "../../machines/run-view.ts";
import type { RunEvent } from "../../protocol/event.ts";
import type { RunSummary } from "../../protocol/http.ts";
import { asRunId, asUserId, defaultTenant } from "../../protocol/ids.ts";
import type { RunView } from "../../protocol/run-view.ts";
import { RunBook } from "../../src/console/run-book.ts";

const words = ["a", "b", "c", "d", "e", "f"];
/** A run of eight events; its offsets begin after `before`. */
function run(runId: string, before: number): RunEvent[] {
  const said = [
    ["agent_started", { agent: "guide", input: { text: `ask ${runId}` } }],
    ...words.map((text) => ["agent_delta", { messageId: "m", channel: "text", text }] as const),
    ["agent_completed", {}],
  ] as const;
  return said.map(
    ([type, data], index) =>
      ({
        id: `${runId}-${index}`,
        type,
        data,
        runId: asRunId(runId),
        seq: index + 1,
        offset: before + index + 1,
        time: new Date(before + index).toISOString(),
      }) as RunEvent,
  );
}
const viewOf = (events: readonly RunEvent[]): RunView => {
  const view = events.reduce<RunView | undefined>(foldRunView, undefined);
  if (view === undefined) throw new Error("a run has events");
  return view;
};

const summaryOf = ({ runId, agent, state, seq, offset, startedAt }: RunView): RunSummary => ({
  ...{ runId, agent, state, seq, offset, startedAt },
  userId: asUserId("alice"),
  tenantId: defaultTenant,
});

/** A log that answers reads when it is told to, and a client that folds what it is given. */
function setup() {
  const log: RunEvent[] = [];
  const views = new Map<string, RunView>();
  const reads: { readonly runId: string; readonly answer: () => void; readonly fail: () => void }[] = [];
  const book = new RunBook(
    {
      runs: () => {
        const ids = [...new Set(log.map((event) => event.runId))];
        return Promise.resolve(ids.map((id) => summaryOf(viewOf(log.filter((event) => event.runId === id)))));
      },
      first: (runId) => Promise.resolve(log.find((event) => event.runId === runId)),
      events: (runId) => {
        const { promise, resolve, reject } = Promise.withResolvers<readonly RunEvent[]>();
        const answer = () => resolve(log.filter((event) => event.runId === runId));
        reads.push({ runId, answer, fail: () => reject(new Error("gone")) });
        return promise;
      },
    },
    (runId) => views.get(runId),
  );
  const deliver = (event: RunEvent) => {
    views.set(event.runId, foldRunView(views.get(event.runId), event));
    book.event(event);
  };
  const shown = async (runId: string) => {
    await vi.runAllTimersAsync();
    return book.page().runs.find((entry) => entry.view.runId === runId);
  };
  const answerOf = async (runId: string) =>
    (await shown(runId))?.timeline.steps.flatMap((step) => (step.kind === "answer" ? [step.text] : [])).join("");
  return { log, book, reads, deliver, shown, answerOf };
}

describe("run book", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("needs no history for a run that began on the stream", async () => {
    const { book, reads, deliver, shown, answerOf } = setup();
    book.begin(0, []);
    for (const event of run("r", 0)) deliver(event);
    expect(await answerOf("r")).toBe("abcdef");
    expect(await shown("r")).toMatchObject({ history: "whole", prompt: "ask r", view: { state: "completed" } });
    expect(reads).toHaveLength(0);
  });

  it.each([1, 3, 5, 7])("joins history and stream at offset %i without a hole and without a double", async (cut) => {
    const { log, book, reads, deliver, answerOf, shown } = setup();
    const events = run("r", 0);
    log.push(...events.slice(0, cut));
    book.begin(cut, [viewOf(log)]);
    book.open("r");
    // The rest comes while the history is read, and the answer to the read holds all of it too.
    for (const event of events.slice(cut)) deliver(event);
    log.push(...events.slice(cut));
    reads[0]?.answer();
    expect(await answerOf("r")).toBe("abcdef");
    expect((await shown("r"))?.view.state).toBe("completed");
    expect(book.page().events.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("joins also when the stream merges deltas that history has one by one", async () => {
    const { log, book, reads, deliver, answerOf } = setup();
    const events = run("r", 0);
    log.push(...events.slice(0, 3));
    book.begin(3, [viewOf(log)]);
    book.open("r");
    const merged = { ...events[6], data: { messageId: "m", channel: "text", text: "cdef" } } as RunEvent;
    deliver(merged);
    log.push(...events.slice(3));
    reads[0]?.answer();
    expect(await answerOf("r")).toBe("abcdef");
  });

  it("reads the steps of a living run again when the stream begins anew", async () => {
    const { log, book, reads, deliver, answerOf } = setup();
    const events = run("r", 0);
    book.begin(0, []);
    for (const event of events.slice(0, 3)) deliver(event);
    log.push(...events.slice(0, 6));
    book.begin(6, [viewOf(log)]);
    for (const event of events.slice(6)) deliver(event);
    expect(reads).toHaveLength(1);
    reads[0]?.answer();
    expect(await answerOf("r")).toBe("abcdef");
  });

  it("forgets a read that a new beginning has overtaken", async () => {
    const { log, book, reads, answerOf } = setup();
    const events = run("r", 0);
    log.push(...events.slice(0, 2));
    book.begin(2, [viewOf(log)]);
    book.open("r");
    log.push(...events.slice(2, 5));
    book.begin(5, [viewOf(log)]);
    reads[1]?.answer();
    await vi.runAllTimersAsync();
    reads[0]?.fail();
    expect(await answerOf("r")).toBe("abcd");
  });

  it("says when history cannot be read, and tries again when asked", async () => {
    const { log, book, reads, shown, answerOf } = setup();
    log.push(...run("r", 0));
    book.begin(8, []);
    await book.list();
    book.open("r");
    reads[0]?.fail();
    expect((await shown("r"))?.history).toBe("failed");
    book.open("r");
    reads[1]?.answer();
    expect(await answerOf("r")).toBe("abcdef");
  });

  it("lists runs newest first, and never puts an older view over a newer one", async () => {
    const { log, book, deliver, shown } = setup();
    book.begin(0, []);
    log.push(...run("old", 0).slice(0, 1));
    for (const event of run("old", 0)) deliver(event);
    for (const event of run("new", 8)) deliver(event);
    await shown("old");
    await book.list();
    await vi.runAllTimersAsync();
    expect(book.page().runs.map(({ view }) => [view.runId, view.state])).toEqual([
      ["new", "completed"],
      ["old", "completed"],
    ]);
  });

  it("names the runs of the list by what they were asked", async () => {
    const { log, book, shown } = setup();
    log.push(...run("r", 0));
    book.begin(8, []);
    await book.list();
    expect(await shown("r")).toMatchObject({ title: "ask r", history: "none", view: { state: "completed" } });
  });

  it("forgets everything of a log that is no more, also what is still being read", async () => {
    const { log, book, reads, shown } = setup();
    log.push(...run("r", 0).slice(0, 3));
    book.begin(3, [viewOf(log)]);
    book.open("r");
    book.reset();
    reads[0]?.answer();
    expect(await shown("r")).toBeUndefined();
    expect(book.page().events).toEqual([]);
  });

  it("holds a bounded list of events", async () => {
    const { book, deliver } = setup();
    book.begin(0, []);
    for (let index = 0; index < 400; index += 1) for (const event of run(`r${index}`, index * 8)) deliver(event);
    await vi.runAllTimersAsync();
    expect(book.page().events).toHaveLength(600);
    expect(book.page().events.at(-1)?.offset).toBe(3_200);
  });
});
