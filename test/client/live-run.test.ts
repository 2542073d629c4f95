import { describe, expect, it } from "vitest";
import { ClientStopped } from "../../src/client/client-error.ts";
import { Listeners } from "../../src/client/listeners.ts";
import { LiveRun } from "../../src/client/live-run.ts";
import { RunStore } from "../../src/client/run-store.ts";
import type { RunView } from "../../protocol/run-view.ts";
import { oneRun } from "../support/sample-stream.ts";

const log = oneRun("r-1", 2);

function liveRun(maxEnded = 10) {
  const store = new RunStore(maxEnded);
  const stops = new Listeners<Error>();
  const fold = (from: number, upto: number, events = log): void => {
    for (const event of events.slice(from, upto)) store.fold(event);
    store.notify();
  };
  return { store, stops, fold, run: new LiveRun("r-1", store, stops) };
}

describe("live run", () => {
  it("shows nothing before its first event, then the folded view", () => {
    const { run, fold } = liveRun();
    expect(run.view).toBeUndefined();
    fold(0, 3);
    expect(run.view).toMatchObject({ state: "toolExecuting", agent: "demo", seq: 3 });
  });

  it("tells its listeners once per batch, and only of itself", () => {
    const { run, fold } = liveRun();
    const seqs: (number | undefined)[] = [];
    const forget = run.subscribe((view) => seqs.push(view?.seq));
    fold(0, 3);
    fold(0, 5, oneRun("r-2"));
    fold(3, 4);
    forget();
    fold(4, 5);
    expect(seqs).toEqual([3, 4]);
  });

  it("is done with the view in which it is over, also for who asks later", async () => {
    const { run, fold } = liveRun();
    const { done } = run;
    fold(0, log.length);
    expect((await done).state).toBe("completed");
    expect(await run.done).toBe(await done);
  });

  it("gives a slow reader of its changes the newest view, and ends with the last", async () => {
    const { run, fold } = liveRun();
    const views: RunView[] = [];
    const changes = run.changes();
    const first = changes.next();
    fold(0, 1);
    views.push((await first).value as RunView);
    fold(1, 2);
    fold(2, 3);
    views.push((await changes.next()).value as RunView);
    fold(3, log.length);
    for await (const view of changes) views.push(view);
    expect(views.map(({ seq }) => seq)).toEqual([1, 3, log.length]);
  });

  it("ends its changes and fails its end when the client stops", async () => {
    const { run, fold, stops } = liveRun();
    fold(0, 2);
    const { done } = run;
    const changes = run.changes();
    await changes.next();
    const next = changes.next();
    stops.emit(new ClientStopped("requested"));
    expect((await next).done).toBe(true);
    await expect(done).rejects.toThrow("closed");
  });

  it("fails its end when that lies in a gap: a snapshot no longer has it", async () => {
    const { run, fold, store } = liveRun();
    fold(0, 2);
    const { done } = run;
    store.restore([]);
    store.notify();
    await expect(done).rejects.toMatchObject({ name: "RunLost" });
  });
});

describe("run store", () => {
  it("keeps the newest of the runs that are over, and every living one (L11)", () => {
    const { store, fold } = liveRun(2);
    fold(0, 2, oneRun("living", 1, 1));
    for (let run = 1; run <= 4; run += 1) fold(0, 9, oneRun(`r-${run}`, 1, 100 * run));
    expect(store.all().map(({ runId }) => runId)).toEqual(["r-4", "r-3", "living"]);
  });

  it("answers with the same list and the same views until something changes", () => {
    const { store, fold } = liveRun();
    fold(0, 2);
    const [list, view] = [store.all(), store.get("r-1")];
    fold(0, 2);
    store.stalled("unknown", true);
    expect([store.all() === list, store.get("r-1") === view]).toEqual([true, true]);
    fold(2, 3);
    expect([store.all() === list, store.get("r-1") === view]).toEqual([false, false]);
  });
});
