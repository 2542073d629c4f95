/**
 * L10 beyond the socket: a critical event that no device acknowledges is told to its user once, or its row stands open
 * and the operator knows; whatever the channels say, whenever acks come, and wherever a process dies.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asDeviceId, asTenantId, asUserId, streamKey } from "../protocol/ids.ts";
import type { Channel, ChannelName } from "../src/fallback/channel.ts";
import { memoryLog } from "../src/log/memory.ts";
import { Breakers } from "../src/runtime/breakers.ts";
import { ContactBook } from "../src/runtime/contact-book.ts";
import { Deadlines } from "../src/runtime/deadlines.ts";
import { noteOf } from "../src/runtime/escalation-note.ts";
import { EscalationRules } from "../src/runtime/escalation-policy.ts";
import { Escalations } from "../src/runtime/escalations.ts";
import { Supervisor } from "../src/runtime/supervisor.ts";
import { silentJournal } from "../src/telemetry/journal.ts";
import { manualClock } from "../src/testing/manual-clock.ts";
import { keptAlerts } from "../test/support/scripted-channels.ts";
import { parameters } from "./support/parameters.ts";
import { scheduledLog } from "./support/scheduled-log.ts";

const names: readonly ChannelName[] = ["web-push", "webhook", "email", "sms"];
const users = ["ann", "bob"].map((user) => streamKey(asTenantId("default"), asUserId(user)));
const ackWaitMs = 2_000;
/** Two looks at the outbox, and all waits of a climb. */
const quietMs = 90_000;
const quietStepMs = 1_000;
const maxSteps = 50_000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Outcome = "told" | "failed" | "absent";
type Told = Record<string, Outcome>;
type Step =
  | { readonly do: "append" | "ack"; readonly user: number }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "release"; readonly count: number }
  | { readonly do: "save" | "crash" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("append" as const), user: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("ack" as const), user: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.constant({ do: "save" as const }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(100, 1_000, 2_100, 31_000) }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("release" as const), count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.constant({ do: "crash" as const }) },
);
/** What a channel comes to for an event: the same whenever it is asked. */
const outcomes = fc.array(
  fc.record(
    Object.fromEntries(names.map((name) => [name, fc.constantFrom<Outcome>("told", "told", "failed", "absent")])),
  ),
  { minLength: 3, maxLength: 3 },
);

/** A process that dies at each place of a climb that ends with a mail: chance draws the doubt it leaves too rarely. */
const deathsBeforeTheMailAnswers = Array.from({ length: 24 }, (_, count): [fc.Scheduler, Step[], Told[]] => {
  const mailOnly: Told = { "web-push": "absent", webhook: "absent", email: "told", sms: "absent" };
  const release: Step = { do: "release", count: 1 };
  const released = (times: number): Step[] => Array.from({ length: times }, () => release);
  const written: Step[] = [{ do: "append", user: 0 }, ...released(6), { do: "pass", ms: 2_100 }];
  const [scheduler] = fc.sample(fc.scheduler(), 1) as [fc.Scheduler];
  return [scheduler, [...written, ...released(count), { do: "crash" }], [mailOnly, mailOnly, mailOnly]];
});

describe("L10 escalation", () => {
  it("ends each critical event in one told notice, an ack, or an open row that is alerted", async () => {
    const seen = { told: 0, acked: 0, open: 0, repeated: 0, inDoubt: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(step, { maxLength: 60, size: "max" }),
        outcomes,
        async (scheduler, steps, script) => {
          const truth = memoryLog();
          const clock = manualClock();
          const alerts = keptAlerts();
          /** What the other side of each channel took: event ids, as often as they came. */
          const taken = new Map<ChannelName, string[]>(names.map((name) => [name, []]));
          /** Taken, and the answer came when nobody waited for it any more: the next channel was called. */
          const unanswered = new Set<string>();
          const acked = new Map(users.map((user) => [user, 0]));
          const critical: { readonly stream: (typeof users)[number]; readonly offset: number; readonly id: string }[] =
            [];
          /** Calls that were made though this process had heard the ack. */
          const lateCalls: string[] = [];
          let lastId = 0;

          function begin() {
            const log = scheduledLog(truth, scheduler);
            const life = { isOver: false };
            const unsaved = new Map<(typeof users)[number], number>();
            const deadlines = new Deadlines(clock, (cause) => {
              throw cause;
            });
            const supervisor = new Supervisor();
            const channels = names.map(
              (name): Channel => ({
                name,
                rung: name === "web-push" || name === "webhook" ? 4 : 5,
                tell: async ({ id, userId, offset }, signal) => {
                  const stream = streamKey(asTenantId("default"), userId);
                  if (!life.isOver && (acked.get(stream) ?? 0) >= offset) lateCalls.push(`${name} ${id}`);
                  await scheduler.schedule(Promise.resolve(), `${name} is called`);
                  if (life.isOver) return new Promise(() => {});
                  const outcome = script[Number(id) % script.length]?.[name];
                  if (outcome === "told") taken.get(name)?.push(id);
                  await scheduler.schedule(Promise.resolve(), `${name} answers`);
                  if (signal.aborted && outcome === "told") unanswered.add(id);
                  if (outcome === "failed") throw new Error("no");
                  return outcome === "told" ? { kind: "told", by: name } : { kind: "absent" };
                },
              }),
            );
            const save = async (): Promise<void> => {
              const cursors = [...unsaved].map(([stream, offset]) => ({ stream, device: asDeviceId("d"), offset }));
              unsaved.clear();
              if (cursors.length > 0) await log.saveCursors(cursors);
            };
            const escalations = new Escalations({
              ...{ log, clock, alerts, deadlines, supervisor, journal: silentJournal, publicUrl: undefined },
              rules: new EscalationRules({ ackWaitMs }, channels, { isOn: () => true, tierOf: () => ({}) }),
              breakers: new Breakers({ supervisor, deadlines, clock }),
              channels: new Map(channels.map((channel) => [channel.name, channel])),
              contacts: new ContactBook(truth),
              nextId: () => `claim ${(lastId += 1)}`,
              saveCursors: save,
            });
            escalations.start();
            return {
              log,
              save,
              ack: (stream: (typeof users)[number], upto: number) => {
                acked.set(stream, upto);
                unsaved.set(stream, upto);
                escalations.acked(stream, upto);
              },
              kill: () => {
                life.isOver = true;
                log.kill();
                deadlines.stop();
                // What was acknowledged and not saved is forgotten with it.
                for (const stream of users) acked.set(stream, savedOf(stream));
              },
            };
          }
          const saved = new Map<string, number>();
          const savedOf = (stream: string): number => saved.get(stream) ?? 0;
          const saveCursors = truth.saveCursors;
          truth.saveCursors = async (cursors) => {
            for (const { stream, offset } of cursors) saved.set(stream, Math.max(savedOf(stream), offset));
            await saveCursors(cursors);
          };

          let life = begin();
          const settle = async (): Promise<void> => {
            for (let count = 0; count < maxSteps; count += 1) {
              await turn();
              if (scheduler.count() === 0) return;
              await scheduler.waitOne();
            }
            throw new Error("it never comes to rest");
          };
          for (const one of steps) {
            switch (one.do) {
              case "append": {
                const stream = users[one.user] ?? "";
                const id = String((lastId += 1));
                const event = { id, type: "agent_completed", time: new Date(clock.now()).toISOString(), data: "{}" };
                life.log.append({ stream: stream as never, events: [event], escalate: [0] }).catch(() => {});
                break;
              }
              case "ack": {
                const stream = users[one.user] as never;
                const { head } = await truth.position(stream);
                if (head > 0) life.ack(stream, head);
                break;
              }
              case "save":
                life.save().catch(() => {});
                break;
              case "pass":
                await clock.advance(one.ms);
                break;
              case "release":
                for (let count = 0; count < one.count && scheduler.count() > 0; count += 1) await scheduler.waitOne();
                break;
              case "crash":
                life.kill();
                life = begin();
            }
            await turn();
          }
          await settle();
          for (let passed = 0; passed < quietMs; passed += quietStepMs) {
            await clock.advance(quietStepMs);
            await settle();
          }
          await life.save();
          await settle();

          expect(lateCalls).toEqual([]);
          for (const stream of users) {
            const { events } = await truth.read(stream, 0, { maxEvents: 1_000, maxBytes: 1e9 });
            for (const { id, offset } of events) critical.push({ stream, offset, id });
          }
          const { rows } = await truth.outbox({ limit: 1_000 });
          for (const { stream, offset, id } of critical) {
            const row = rows.find((each) => each.stream === stream && each.offset === offset);
            const where = names.filter((name) => taken.get(name)?.includes(id));
            const mails = taken.get("email")?.filter((each) => each === id).length ?? 0;
            expect(mails, "a mail is sent once").toBeLessThanOrEqual(1);
            if (unanswered.has(id)) continue;
            // By its id the other side drops a repetition: one channel is one notice.
            expect(where.length, `${id} is told on ${where.join(", ")}`).toBeLessThanOrEqual(1);
            const isAcked = savedOf(stream) >= offset;
            if (where.some((name) => taken.get(name)?.indexOf(id) !== taken.get(name)?.lastIndexOf(id)))
              seen.repeated += 1;
            if (row === undefined) {
              expect(isAcked, `${id} is gone without an ack`).toBe(true);
              seen.acked += 1;
            } else if (row.state === "told") {
              const note = noteOf(row.note);
              if (note?.inDoubt === true) seen.inDoubt += 1;
              else expect(where, "the row tells the truth").toEqual([note?.told?.channel]);
              seen.told += 1;
            } else {
              expect(row.state).toBe("exhausted");
              expect(where).toEqual([]);
              expect(alerts.holding.has("AllRungsDead") || alerts.holding.has("UserUnreachable")).toBe(true);
              seen.open += 1;
            }
          }
        },
      ),
      { ...parameters(300), examples: deathsBeforeTheMailAnswers },
    );
    for (const [what, count] of Object.entries(seen)) expect(count, `no event was ever ${what}`).toBeGreaterThan(0);
  });
});
