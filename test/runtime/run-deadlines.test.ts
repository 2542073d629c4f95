import { describe, expect, it } from "vitest";
import { Deadlines } from "../../src/runtime/deadlines.ts";
import { type DatedEvent, isDated, RunDates } from "../../src/runtime/run-dates.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";

/** The dates of a run that began now, and what came due of them, by the millisecond of its tick. */
function world(limitMs?: number) {
  const clock = manualClock();
  const startedAtMs = clock.now();
  const due: string[] = [];
  const note = (what: string) => due.push(`${what} at ${clock.mono()}`);
  const dates = new RunDates({
    ...{ clock, deadlines: new Deadlines(clock, () => {}), startedAtMs, limitMs },
    onCancelDue: ({ by, reason }) => note(`cancel by ${by}: ${reason}`),
    onApprovalExpired: (approvalId) => note(`approval ${approvalId}`),
    onLimit: () => note("limit"),
  });
  const hear = (event: DatedEvent) => dates.hear(event, clock.now());
  const asks = (...approvals: readonly (readonly [string, number?])[]) =>
    hear({
      type: "agent_suspended",
      data: {
        reason: "asks",
        approvals: approvals.map(([approvalId, inMs]) => ({
          approvalId,
          ...(inMs !== undefined && { expiresAt: new Date(clock.now() + inMs).toISOString() }),
        })),
      },
    });
  const answers = (approvalId: string) =>
    hear({ type: "approval_resolved", data: { approvalId, decision: "approve" } });
  return { clock, dates, hear, asks, answers, due };
}

describe("the dates of a run", () => {
  it("are set and settled by five events", () => {
    const types = ["cancel_requested", "cancel_refused", "agent_suspended", "approval_resolved", "agent_resumed"];
    for (const type of types) expect(isDated({ type })).toBe(true);
    for (const type of ["agent_started", "agent_thinking", "x.a"]) expect(isDated({ type })).toBe(false);
  });

  it("end a cancellation at its deadline, of the newest request, and not when it was refused", async () => {
    const { clock, hear, due } = world();
    hear({ type: "cancel_requested", data: { by: "user", deadlineMs: 500 } });
    await clock.advance(100);
    hear({ type: "cancel_requested", data: { by: "parent", deadlineMs: 500, reason: "r" } });
    await clock.advance(1_000);
    expect(due).toEqual(["cancel by parent: r at 600"]);
    hear({ type: "cancel_requested", data: { by: "user", deadlineMs: 500 } });
    hear({ type: "cancel_refused", data: {} });
    await clock.advance(1_000);
    expect(due).toHaveLength(1);
  });

  it("let each approval expire at its time, but for those that were answered", async () => {
    const { clock, asks, answers, due } = world();
    asks(["p", 300], ["q", 200], ["r"], ["s", 400]);
    answers("q");
    await clock.advance(350);
    expect(due).toEqual(["approval p at 300"]);
    // Asked again, with another time: the first answer stands, and an open one moves.
    asks(["q", 100], ["s", 500]);
    await clock.advance(1_000);
    expect(due.slice(1)).toEqual(["approval s at 850"]);
  });

  it("let a run live as long as it may", async () => {
    const { clock, due } = world(1_000);
    await clock.advance(999);
    expect(due).toEqual([]);
    await clock.advance(100);
    expect(due).toEqual(["limit at 1000"]);
    expect(world().due).toEqual([]);
  });

  it("do not count the time that waits for a human, until all are answered", async () => {
    const { clock, asks, answers, due } = world(1_000);
    await clock.advance(400);
    asks(["p"], ["q"]);
    await clock.advance(5_000);
    answers("p");
    await clock.advance(5_000);
    expect(due).toEqual([]);
    answers("q");
    await clock.advance(550);
    expect(due).toEqual([]);
    await clock.advance(50);
    expect(due).toEqual(["limit at 11000"]);
  });

  it("count again from the resumption of a run that waited for something else", async () => {
    const { clock, hear, asks, due } = world(1_000);
    asks();
    await clock.advance(5_000);
    hear({ type: "agent_resumed", data: {} });
    await clock.advance(900);
    expect(due).toEqual([]);
    await clock.advance(100);
    expect(due).toEqual(["limit at 6000"]);
  });

  it("go on counting when an answer comes to a run that does not wait, and when what it asks is answered already", async () => {
    const { clock, asks, answers, hear, due } = world(1_000);
    answers("p");
    await clock.advance(200);
    asks(["p"]);
    await clock.advance(200);
    hear({ type: "agent_resumed", data: {} });
    await clock.advance(600);
    expect(due).toEqual(["limit at 1000"]);
  });

  it("come due no more when the run has ended", async () => {
    const { clock, dates, hear, asks, due } = world(1_000);
    hear({ type: "cancel_requested", data: { by: "user", deadlineMs: 300 } });
    asks(["p", 300]);
    dates.end();
    await clock.advance(5_000);
    expect(due).toEqual([]);
  });
});
