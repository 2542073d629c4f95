/**
 * The look at a world that had time to converge: every law that can be judged only at the end. The words of publishers,
 * the memories of applications and the runs' events are held against what the disk really has.
 */
import type { LedgerAnswer } from "../../protocol/http.ts";
import type { StreamEvent } from "../../protocol/event.ts";
import { marksOf } from "../support/model.ts";
import type { SeenEvent } from "../support/model.ts";
import { publisher } from "../../test/support/runtime-under-test.ts";
import type { Stretch } from "./application.ts";
import type { Device } from "./device.ts";
import type { Kept } from "./history.ts";
import type { Told } from "./picture.ts";
import { pictureOf, pictureOfView, replayed } from "./picture.ts";
import { streamOf } from "./server.ts";
import type { World } from "./world.ts";

/** Between two heartbeats that are written down a third of the lease may go by. */
const heardShare = 2 / 3;

const parsed = (event: Kept): Told & SeenEvent =>
  ({ ...event, data: JSON.parse(event.data) as never }) as Told & SeenEvent;

export async function judge(world: World): Promise<void> {
  for (const stream of world.streams)
    world.words.judge(stream, world.history.of(stream), world.isRetired, (law, what) => world.violate(law, what));
  judgeRuns(world);
  judgeDecisions(world);
  for (const device of world.devices) judgeDevice(world, device);
  await judgeLedger(world);
}

type Held = Kept & Told & { readonly stream: string };

/** A run's events, as the disk has them. */
function runsOf(world: World): ReadonlyMap<string, readonly Held[]> {
  const runs = new Map<string, Held[]>();
  for (const stream of world.streams)
    for (const event of world.history.of(stream)) {
      if (event.runId === undefined) continue;
      const held = { ...event, ...parsed(event), stream } as unknown as Held;
      runs.set(event.runId, [...(runs.get(event.runId) ?? []), held]);
    }
  return runs;
}

/** L1, L2, L16, and that a parent does not complete before its children. */
function judgeRuns(world: World): void {
  const runs = runsOf(world);
  for (const [runId, told] of runs) {
    const isStrict = world.runners.find((runner) => runner.runId === runId)?.script.profile === "strict";
    const memory = replayed(told, isStrict);
    if ("illegal" in memory) {
      // A start that was repeated after retention had taken the whole run made another one.
      if (world.isRetired && memory.illegal.type === "agent_started") continue;
      world.violate("L1", `${runId}: ${memory.illegal.type} at ${memory.illegal.offset} may not stand there`);
      continue;
    }
    told.forEach(({ seq }, at) => {
      if (seq !== at + 1) world.violate("I2", `${runId}: seq ${seq} at place ${at + 1}`);
    });
    if (memory.at !== "over") world.violate("L16", `${runId} is ${memory.at} at the end of time`);
    const last = told.at(-1);
    if (last?.type === "agent_interrupted") judgeInterrupted(world, runId, told);
    const parentRunId = (told[0]?.data as { parentRunId?: string } | undefined)?.parentRunId;
    const parent = parentRunId === undefined ? undefined : runs.get(parentRunId)?.at(-1);
    // Two processes know of different children.
    if (world.isShared) continue;
    if (parent?.type === "agent_completed" && parent.offset < (last?.offset ?? 0) && world.history.epochs.size === 1)
      world.violate("L1", `${parentRunId} completes at ${parent.offset}, its child ${runId} ends at ${last?.offset}`);
  }
}

/** Nobody who is heard loses its lease. With two processes on one log, each hears only its half. */
function judgeInterrupted(world: World, runId: string, told: readonly Held[]): void {
  if (world.isShared || world.history.epochs.size > 1) return;
  const { leaseMs, graceMs, drift } = world.script.settings;
  const end = told.at(-1);
  const isHeard = ({ repaired, type }: Held): boolean => repaired !== true && type !== "cancel_requested";
  const heardMs = Math.max(
    ...told
      .slice(0, -1)
      .filter(isHeard)
      .map(({ atMs }) => atMs),
  );
  const silentMs = (end?.atMs ?? 0) - heardMs;
  if (silentMs < (leaseMs + graceMs) * (1 - 2 * drift) - 1)
    world.violate("L16", `${runId} is interrupted ${Math.round(silentMs)} ms after it was heard`);
  judgeSilence(world, runId, told.filter(isHeard));
}

/** A runner whose heartbeats were answered was silent for long enough before its run was ended, where- and whenever that was. */
function judgeSilence(world: World, runId: string, said: readonly Held[]): void {
  const { leaseMs, graceMs, drift } = world.script.settings;
  const endMs = said.at(-1)?.atMs ?? 0;
  const beats = world.runners.filter((runner) => runner.runId === runId).flatMap((runner) => runner.beats);
  const heard = [...said.map(({ atMs }) => ({ askedMs: atMs, answeredMs: atMs })), ...beats]
    .filter(({ askedMs }) => askedMs <= endMs)
    .sort((a, b) => a.askedMs - b.askedMs);
  // One heartbeat in three is written down for the other nodes.
  const leastMs = (leaseMs * heardShare + graceMs) * (1 - 2 * drift) - 1;
  const silences = heard.slice(1).map(({ answeredMs }, at) => answeredMs - (heard[at]?.askedMs ?? 0));
  if (Math.max(0, ...silences) < leastMs)
    world.violate("L16", `${runId} is interrupted and was never silent for ${Math.round(leastMs)} ms`);
}

/** Whoever was told that the decision is theirs, decided. */
function judgeDecisions(world: World): void {
  if (world.history.epochs.size > 1) return;
  const events = world.streams
    .flatMap((stream) => world.history.of(stream))
    .filter(({ type }) => type === "approval_resolved");
  const resolutions = new Map(
    events
      .map(({ data }) => JSON.parse(data) as { approvalId: string; decision: string })
      .map((each) => [each.approvalId, each.decision]),
  );
  for (const [approvalId, decisions] of world.decisions) {
    if (decisions.length > 1) world.violate("L14", `${approvalId} was decided ${decisions.length} times`);
    if (decisions[0] !== resolutions.get(approvalId))
      world.violate("L6", `${approvalId}: ${decisions[0]} was accepted, ${resolutions.get(approvalId)} is written`);
  }
}

function judgeDevice(world: World, device: Device): void {
  const name = `${device.process.name} of ${device.user}`;
  const { client, app, script } = device;
  const head = world.history.head(streamOf(device.user));
  const { state, cursor } = client.status;
  if (state !== "live" || cursor?.offset !== head || cursor.epoch !== world.history.epoch)
    world.violate(
      "L9",
      `${name} is ${state} at ${cursor?.epoch}:${cursor?.offset}, the head is ${world.history.epoch}:${head}`,
    );
  for (const stretch of app.stretches) judgeStretch(world, device, stretch, name);
  const last = app.stretches.at(-1);
  if (script.wants === "all" && last !== undefined && script.reads === "at once")
    judgePicture(world, device, last, name);
}

/** L3, L4, L5, L7, L8: a stretch is exactly what the stream holds there, less what was declared missing. */
function judgeStretch(
  world: World,
  { user, script }: Device,
  { start, events, holes, at }: Stretch,
  name: string,
): void {
  const seen = events.flatMap(printsOf);
  const isWanted = ({ type }: Kept): boolean => script.wants === "all" || type === "agent_delta" || type === "x.mail";
  const isHole = (offset: number): boolean => holes.some(([from, upto]) => offset >= from && offset <= upto);
  const differences = [...world.history.epochs.keys()].map((epoch) => {
    const range = world.history.of(streamOf(user), epoch).slice(start, at);
    const there = range
      .filter((event) => isWanted(event) && !isHole(event.offset))
      .flatMap((event) => printsOf(parsed(event)));
    const place = Array.from({ length: Math.max(there.length, seen.length) }).findIndex((_, n) => there[n] !== seen[n]);
    return place === -1 ? undefined : `${seen[place] ?? "nothing"} instead of ${there[place] ?? "nothing"} in ${epoch}`;
  });
  if (!differences.includes(undefined))
    world.violate("L4", `${name} has seen from ${start} to ${at}: ${differences.join(", ")}`);
}

/** What an event is known by; a merged delta is known by its parts. */
const printsOf = (event: StreamEvent | SeenEvent): readonly string[] =>
  event.type === "agent_delta" ? marksOf(event as SeenEvent) : [event.id];

/** L9: the runs look to the device as they look to one that was never cut. */
function judgePicture(
  world: World,
  { client, user }: Device,
  { start, begunWith, holes }: Stretch,
  name: string,
): void {
  const views = new Map(client.runs().map((view) => [view.runId as string, view]));
  for (const [runId, told] of runsOf(world)) {
    const first = told[0];
    if (first?.stream !== streamOf(user)) continue;
    const isWhole = (first?.offset ?? 0) > start;
    const isOver = begunWith === "snapshot" && (told.at(-1)?.offset ?? 0) > start;
    if (holes.length > 0 || !(isWhole || isOver)) continue;
    const memory = replayed(told, false);
    const view = views.get(runId);
    if (view === undefined) world.violate("L9", `${name} knows nothing of ${runId}`);
    else if ("at" in memory) {
      const [is, should] = [JSON.stringify(pictureOfView(view)), JSON.stringify(pictureOf(told, memory))];
      if (is !== should) world.violate("L9", `${name} sees ${is} where ${should} is`);
    }
  }
}

/** I11: the ledger says what an auditor counts. */
async function judgeLedger(world: World): Promise<void> {
  const server = world.fleet.alive[0];
  if (server === undefined) return world.violate("I12", "no server is alive at the end");
  for (const user of new Set(world.devices.map((device) => device.user))) {
    const stream = streamOf(user);
    const count = world.history.head(stream);
    const asked = server.run((service) => service.ledger(publisher, { userId: user as never }));
    let ledger: LedgerAnswer | undefined;
    asked.then(
      (value) => (ledger = value),
      (cause: unknown) => world.violate("I11", `no ledger: ${String(cause)}`),
    );
    await world.time.runUntil(world.time.nowMs + 5_000);
    if (ledger === undefined) return world.violate("I11", `no ledger of ${user} in time`);
    const { accepted, acked, stored, deadLettered, difference } = ledger;
    // What came folded in a snapshot was not handed over, so nobody has acknowledged it.
    const mine = world.devices.filter((device) => device.user === user);
    const seen = Math.max(0, ...mine.map(({ app }) => app.stretches.at(-1)?.events.at(-1)?.offset ?? 0));
    if (difference !== 0 || accepted !== count || acked + deadLettered < seen || acked > count)
      world.violate(
        "I11",
        `${user}: ${count} events; accepted ${accepted}, acked ${acked}, stored ${stored}, dead ${deadLettered}`,
      );
  }
}
