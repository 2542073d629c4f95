/** The laws of what surrounds the events: cursors, ledger, bells, quarantine and the end (L6, L7, L10). */
import { asDeviceId } from "../../../protocol/ids.ts";
import type { Bell } from "../../log/event-log.ts";
import { type LawBook, rejection } from "./law.ts";
import {
  alice,
  bob,
  event,
  ids,
  keyed,
  newRun,
  next,
  notice,
  run1,
  started,
  tenant,
  time,
  wide,
  write,
} from "./sample.ts";

const phone = asDeviceId("phone");
const laptop = asDeviceId("laptop 'é'");

export function accountLaws({ law, expect }: LawBook): void {
  law("moves a device's cursor forward only, and never beyond the head", async (log) => {
    await write(log, notice(alice, "a", "b", "c"));
    expect(await log.cursor(alice, phone)).toBe(0);
    await log.saveCursors([{ stream: alice, device: phone, offset: 2 }]);
    await log.saveCursors([{ stream: alice, device: phone, offset: 1 }]);
    expect(await log.cursor(alice, phone)).toBe(2);
    await log.saveCursors([{ stream: alice, device: phone, offset: 4 }]);
    await log.saveCursors([{ stream: bob, device: phone, offset: 1 }]);
    expect(await log.cursor(alice, phone)).toBe(2);
    expect(await log.cursor(alice, laptop)).toBe(0);
    expect(await log.cursor(bob, phone)).toBe(0);
  });

  law("takes many cursors at once, the same device twice included", async (log) => {
    await write(log, notice(alice, "a", "b", "c"));
    await write(log, notice(bob, "d"));
    await log.saveCursors([
      { stream: alice, device: phone, offset: 3 },
      { stream: alice, device: phone, offset: 1 },
      { stream: alice, device: laptop, offset: 1 },
      { stream: bob, device: phone, offset: 1 },
    ]);
    expect(await log.cursor(alice, phone)).toBe(3);
    expect(await log.cursor(alice, laptop)).toBe(1);
    expect(await log.cursor(bob, phone)).toBe(1);
    await log.saveCursors([]);
  });

  law("balances its ledger, per stream and in total", async (log) => {
    expect(await log.ledger()).toEqual({ accepted: 0, acked: 0, stored: 0, deadLettered: 0 });
    expect(await log.ledger(alice)).toEqual({ accepted: 0, acked: 0, stored: 0, deadLettered: 0 });
    await write(log, notice(alice, "a", "b", "c"));
    await write(log, notice(bob, "d", "e"));
    await log.append(next(3, [event("refused")]));
    await log.saveCursors([
      { stream: alice, device: phone, offset: 1 },
      { stream: alice, device: laptop, offset: 2 },
    ]);
    expect(await log.ledger(alice)).toEqual({ accepted: 3, acked: 2, stored: 1, deadLettered: 0 });
    expect(await log.ledger(bob)).toEqual({ accepted: 2, acked: 0, stored: 2, deadLettered: 0 });
    expect(await log.ledger()).toEqual({ accepted: 5, acked: 2, stored: 3, deadLettered: 0 });
  });

  law("rings once for each append, in commit order, with the events, before the append resolves", async (log) => {
    const heard: Bell[] = [];
    const order: string[] = [];
    const unwatch = log.watch((bell) => {
      heard.push(bell);
      order.push(`bell ${bell.head}`);
    });
    const appends = [started(newRun(), [keyed("k")]), notice(alice, "b", "c"), next(9, [event("refused")])];
    await Promise.all(
      appends.map(async (append) => {
        const answer = await log.append(append);
        order.push(answer.kind === "appended" ? `answer ${answer.offset}` : answer.kind);
      }),
    );
    const { epoch, events } = await log.read(alice, 0, wide);
    expect(heard).toEqual([
      { stream: alice, epoch, head: 1, events: events.slice(0, 1) },
      { stream: alice, epoch, head: 3, events: events.slice(1) },
    ]);
    expect(order.indexOf("bell 1") < order.indexOf("answer 1")).toBe(true);
    expect(order.indexOf("bell 3") < order.indexOf("answer 3")).toBe(true);
    unwatch();
    await write(log, notice(alice, "d"));
    expect(heard.length).toBe(2);
  });

  law("has committed what a bell tells of: a read from inside the listener finds it", async (log) => {
    const found: Promise<number>[] = [];
    log.watch(
      ({ stream, head }) => void found.push(log.read(stream, head - 1, wide).then(({ events }) => events.length)),
    );
    await Promise.all([write(log, notice(alice, "a")), write(log, notice(alice, "b"))]);
    expect((await Promise.all(found)).every((count) => count > 0)).toBe(true);
    expect(found.length).toBe(2);
  });

  law("lets a listener append, unwatch and throw without harm", async (log) => {
    let echo: Promise<unknown> | undefined;
    const heard: number[] = [];
    const unwatch = log.watch(() => {
      unwatch();
      echo = write(log, notice(bob, "echo"));
      throw new Error("thrown by a listener on purpose");
    });
    log.watch(({ head }) => void heard.push(head));
    await write(log, notice(alice, "a"));
    await echo;
    expect(await ids(log, bob)).toEqual(["id-echo"]);
    expect(heard).toEqual([1, 1]);
  });

  law("keeps quarantined events out of the stream and out of the ledger", async (log) => {
    await write(log, started(newRun()));
    const entry = { stream: alice, tenantId: tenant, runId: run1, type: "agent_thinking", data: "{}", time };
    await log.quarantine({ ...entry, reason: "after the terminal" });
    await log.quarantine({ ...entry, reason: "illegal in state completed" });
    expect((await ids(log, alice)).length).toBe(1);
    expect(await log.ledger(alice)).toEqual({ accepted: 1, acked: 0, stored: 1, deadLettered: 0 });
  });

  law("commits what was accepted before it closes, and answers nothing afterwards", async (log) => {
    const accepted = ["a", "b", "c"].map((name) => log.append(notice(alice, name)));
    const closing = log.close();
    expect((await Promise.all(accepted)).map(({ kind }) => kind)).toEqual(["appended", "appended", "appended"]);
    await closing;
    const late = [
      log.append(notice(alice, "late")),
      log.read(alice, 0, wide),
      log.position(alice),
      log.claim(tenant, run1),
      log.saveCursors([]),
      log.ledger(),
    ];
    for (const call of late) expect(await rejection(call)).toMatchObject({ _tag: "LogUnavailable" });
    await log.close();
  });
}

/** For logs that outlive their process: what was acknowledged is there again, under the same epoch. */
export function persistenceLaws({ law, expect }: LawBook): void {
  law("finds everything again after it was closed and opened", async (log, made) => {
    if (made.reopen === undefined) throw new Error("a log that persists needs `reopen`");
    const create = newRun(run1, alice, { deadlineMs: 60_000 });
    const { epoch } = await write(log, started(create, [keyed("k"), event("b", { threadId: "t", repaired: true })]));
    await write(log, next(2, [event("ask")], { approvals: ["a-1"] }));
    await log.claim(tenant, run1);
    await log.saveCursors([{ stream: alice, device: phone, offset: 2 }]);
    await write(log, notice(bob, "d"));
    const [events, record] = [(await log.read(alice, 0, wide)).events, await log.run(tenant, run1)];

    const again = await made.reopen();
    expect((await again.read(alice, 0, wide)).events).toEqual(events);
    expect(await again.position(alice)).toEqual({ epoch, first: 1, head: 3 });
    expect(await again.run(tenant, run1)).toEqual(record);
    expect((await again.living(alice)).runs).toEqual([record]);
    expect((await again.approval(tenant, "a-1"))?.runId).toBe(run1);
    expect([...(await again.knownKeys({ tenantId: tenant, runId: run1 }, ["k"])).keys()]).toEqual(["k"]);
    expect(await again.cursor(alice, phone)).toBe(2);
    expect(await again.ledger()).toEqual({ accepted: 4, acked: 2, stored: 2, deadLettered: 0 });
    expect(await again.append(next(3, [event("old")], { fence: 1 }))).toEqual({ kind: "fenced", fence: 2 });
    expect(await again.append(next(3, [event("on")], { fence: 2 }))).toMatchObject({ epoch, offset: 4, seq: 4 });
  });
}
