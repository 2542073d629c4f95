/** What two parties may do in a world, as values that fast-check draws and shrinks, and whether theirs shows in what we see. */
import * as fc from "fast-check";
import { asConnectionId, asRunId } from "../../protocol/ids.ts";
import type { Setting, Side, World } from "./two-worlds.ts";
import { World as TheWorld } from "./two-worlds.ts";

export interface Act {
  readonly name: string;
  readonly run: (world: World, side: Side) => Promise<void>;
}

export interface Script {
  readonly setting: Setting;
  readonly ours: readonly Act[];
  /** Before each act of ours, in the one world and in the other. */
  readonly theirs: readonly [readonly (readonly Act[])[], readonly (readonly Act[])[]];
}

const act = (name: string, run: Act["run"]): Act => ({ name, run });
const which = fc.nat(1);
const lineName = fc.constantFrom("one", "two", "three");

const call = (toolCallId: string) => ({ toolCallId, toolName: "t" });
const event = fc
  .tuple(
    fc.constantFrom<{ readonly type: string; readonly data: object }>(
      { type: "agent_thinking", data: { thought: "hm" } },
      { type: "tool_executing", data: call("c") },
      { type: "tool_completed", data: { toolCallId: "c", status: "ok" } },
      { type: "agent_delta", data: { messageId: "m", channel: "text", text: "word " } },
      { type: "agent_delta", data: { messageId: "m", channel: "text", text: "x".repeat(300) } },
      { type: "x.note", data: { n: 1 } },
      { type: "x.note", data: { a: [{ userId: "somebody" }] } },
      { type: "agent_suspended", data: { reason: "r", approvals: [{ approvalId: "p" }] } },
      { type: "agent_resumed", data: {} },
      { type: "agent_completed", data: {} },
    ),
    fc.constantFrom(undefined, "k1", "k2"),
  )
  .map(([said, key]) => ({ ...said, ...(key !== undefined && { key }) }));

const start = fc
  .tuple(
    which,
    fc.record({
      leaseMs: fc.constantFrom(1_000, 60_000),
      onIllegal: fc.constantFrom("reject", "repair", "quarantine"),
      threadId: fc.constantFrom(undefined, "t"),
    }),
  )
  .map(([run, body]) => act(`start ${run} ${JSON.stringify(body)}`, (world, side) => world.start(side, run, body)));
const publish = fc
  .tuple(which, fc.array(event, { minLength: 1, maxLength: 3 }), fc.constantFrom(1, 1, 1, 2))
  .map(([run, events, fence]) =>
    act(`publish ${run} ${fence} ${JSON.stringify(events)}`, (world, side) =>
      world.publish(side, world.parties[side].runIds[run] ?? "", undefined, { fence, events }),
    ),
  );
const ofRun = which.chain((run) => {
  const mine = (world: World, side: Side): string => world.parties[side].runIds[run] ?? "";
  return fc.constantFrom(
    act(`heartbeat ${run}`, (world, side) =>
      world.call(side, "heartbeat", (service, _, key) =>
        service.heartbeat(key, undefined, asRunId(mine(world, side)), { fence: 1 }),
      ),
    ),
    act(`claim ${run}`, (world, side) =>
      world.call(side, "claim", (service, _, key) => service.claim(key, undefined, asRunId(mine(world, side)))),
    ),
    act(`cancel ${run}`, (world, side) => world.cancel(side, mine(world, side), "user")),
    act(`cancel ${run} as publisher`, (world, side) => world.cancel(side, mine(world, side), "key")),
    act(`read ${run}`, (world, side) =>
      world.call(side, "run", (service, user) => service.run(user, undefined, asRunId(mine(world, side)))),
    ),
    act(`read the events of ${run}`, (world, side) =>
      world.call(side, "run events", (service, user) =>
        service.runEvents(user, undefined, asRunId(mine(world, side)), { after: 0, limit: 3 }),
      ),
    ),
  );
});
const people = fc.oneof(
  fc
    .tuple(fc.constantFrom("approve", "deny"), fc.constantFrom(undefined, { why: 1 }, { userId: "somebody" }))
    .map(([decision, data]) =>
      act(`resolve p ${decision}`, (world, side) => world.resolve(side, "p", decision as "deny", data)),
    ),
  fc
    .tuple(
      fc.constantFrom(undefined, "k"),
      fc.constantFrom<object>({ n: 1 }, { n: 2 }, { user_id: "somebody" }),
      fc.constantFrom(0, 100),
    )
    .map(([key, data, ackWaitMs]) =>
      act(`notify ${JSON.stringify(data)}`, (world, side) => world.notify(side, { data, key, ackWaitMs })),
    ),
);
const reads = fc.oneof(
  fc
    .tuple(fc.nat(6), fc.integer({ min: 1, max: 4 }))
    .map(([after, limit]) =>
      act(`read after ${after}`, (world, side) =>
        world.call(side, "events", (service, user) => service.events(user, {}, { after, limit })),
      ),
    ),
  fc
    .constantFrom(undefined, "2", "5")
    .map((before) =>
      act(`list runs before ${before}`, (world, side) =>
        world.call(side, "runs", (service, user) =>
          service.runs(user, {}, { limit: 1, ...(before !== undefined && { before }) }),
        ),
      ),
    ),
  fc.constant(act("ledger", (world, side) => world.call(side, "ledger", (service, user) => service.ledger(user, {})))),
);
const hello = fc.record(
  {
    from: fc.constantFrom("start", "active", "now"),
    device: fc.constantFrom("d1", "d2"),
    mergeDeltas: fc.boolean(),
    want: fc.constantFrom<object>({ types: ["x.note", "agent_started"] }, { threads: ["t"] }),
  },
  { requiredKeys: [] },
);
const lines = lineName.chain((name) =>
  fc.oneof(
    fc
      .tuple(fc.constantFrom<("websocket" | "sse")[]>("websocket", "websocket", "sse"), hello)
      .map(([kind, said]) =>
        act(`connect ${name} ${kind} ${JSON.stringify(said)}`, (world, side) => world.connect(side, name, kind, said)),
      ),
    fc.constant(
      act(`resume ${name}`, async (world, side) => {
        const cursor = world.cursorOf(side, name);
        await world.connect(side, name, "websocket", cursor ? { cursor } : {});
      }),
    ),
    fc.constant(act(`cut ${name}`, (world, side) => world.cut(side, name))),
    fc.constant(
      act(`ack ${name}`, async (world, side) => {
        const offset = world.cursorOf(side, name)?.offset ?? 0;
        await world.say(side, name, { type: "ack", offset });
      }),
    ),
    which.chain((run) =>
      fc
        .constantFrom<(runId: string) => object>(
          (runId) => ({ type: "command", ref: 1, name: "cancel_run", runId, data: { deadlineMs: 200 } }),
          (runId) => ({ type: "command", ref: 2, name: "send_message", runId, data: { text: "hi" } }),
          () => ({ type: "command", ref: 3, name: "resolve_approval", data: { approvalId: "p", decision: "deny" } }),
          () => ({ type: "command", ref: 4, name: "dance" }),
          () => ({ type: "ping", ref: 5 }),
          () => ({ type: "ack", offset: 1_000 }),
          () => ({ type: "nonsense" }),
        )
        .map((make) =>
          act(`say ${name} ${JSON.stringify(make(String(run)))}`, (world, side) =>
            world.say(side, name, make(world.parties[side].runIds[run] ?? "")),
          ),
        ),
    ),
  ),
);

/** What only we do: everything that names something of theirs, whether they have it or not. */
const guesses = which.chain((run) => {
  const theirs = (world: World): string => world.parties.them.runIds[run] ?? "";
  const guess = (name: string, ask: (world: World, runId: string) => Promise<void>): Act =>
    act(`guess: ${name} ${run}`, async (world) => {
      const runId = theirs(world);
      // Names of our own runs are no guesses: where both have the same names, the tenant is guessed.
      const isForeign = !world.parties.us.runIds.includes(runId);
      if (isForeign || name.includes("tenant")) {
        if (await world.isTheirs(runId)) world.reached.guesses += 1;
        await ask(world, runId);
      }
    });
  return fc.constantFrom(
    guess("run", (world, id) =>
      world.call("us", "foreign run", (service, user) => service.run(user, undefined, asRunId(id))),
    ),
    guess("events", (world, id) =>
      world.call("us", "foreign events", (service, user) =>
        service.runEvents(user, undefined, asRunId(id), { after: 0, limit: 9 }),
      ),
    ),
    guess("cancel", (world, id) => world.cancel("us", id, "user")),
    guess("message", (world, id) =>
      world.say("us", "one", { type: "command", ref: 9, name: "send_message", runId: id, data: { text: "hi" } }),
    ),
    guess("command", (world, id) => world.say("us", "one", { type: "command", ref: 8, name: "cancel_run", runId: id })),
    guess("run of their tenant", (world, id) =>
      world.setting === "tenants"
        ? world.call("us", "foreign tenant", (service, _, key) =>
            service.run(key, world.parties.them.tenantId, asRunId(id)),
          )
        : Promise.resolve(),
    ),
    guess("publish to their tenant", (world, id) =>
      world.setting === "tenants"
        ? world.publish("us", id, world.parties.them.tenantId, { fence: 1, events: [{ type: "x.mine", data: {} }] })
        : Promise.resolve(),
    ),
    guess("claim in their tenant", (world, id) =>
      world.setting === "tenants"
        ? world.call("us", "foreign claim", (service, _, key) =>
            service.claim(key, world.parties.them.tenantId, asRunId(id)),
          )
        : Promise.resolve(),
    ),
    guess("stream of their tenant", (world) =>
      world.call("us", "foreign stream", (service, user) =>
        service.events(
          user,
          { userId: world.parties.them.userId, tenantId: world.parties.them.tenantId },
          { after: 0, limit: 9 },
        ),
      ),
    ),
    act("guess: their connection", async (world) => {
      const theirId = world.connectionOf("them", "one");
      if (theirId !== undefined) world.reached.guesses += 1;
      await world.call("us", "foreign ack", (service, user) =>
        service.ack(user, asConnectionId(theirId ?? "no-such-connection"), 1),
      );
    }),
  );
});

const answerOne = fc.nat(5).map((chance) => act(`answer ${chance}`, (world, side) => world.answerOne(side, chance)));
const time = fc.constantFrom(20, 400, 1_700).map((ms) => act(`advance ${ms}`, (world) => world.advance(ms)));

const own = fc.oneof(
  { weight: 2, arbitrary: start },
  { weight: 5, arbitrary: publish },
  { weight: 3, arbitrary: ofRun },
  { weight: 2, arbitrary: people },
  { weight: 2, arbitrary: reads },
  { weight: 5, arbitrary: lines },
  { weight: 9, arbitrary: answerOne },
);
const ours = fc.oneof(
  { weight: 12, arbitrary: own },
  { weight: 3, arbitrary: guesses },
  { weight: 2, arbitrary: time },
);

/** Both have runs and a reader to begin with: what a search would else have to find first. */
const answers = (count: number): readonly Act[] =>
  Array.from({ length: count }, () => act("answer 0", (world, side) => world.answerOne(side, 0)));
const waiting = {
  fence: 1,
  events: [{ type: "agent_suspended", data: { reason: "r", approvals: [{ approvalId: "p" }] } }],
};
const begun: readonly Act[] = [
  act("start 0", (world, side) => world.start(side, 0, { leaseMs: 3_000, onIllegal: "quarantine" })),
  act("start 1", (world, side) => world.start(side, 1, { leaseMs: 60_000 })),
  ...answers(4),
  act("suspend 1", (world, side) => world.publish(side, world.parties[side].runIds[1] ?? "", undefined, waiting)),
  ...answers(2),
  act("connect one", (world, side) => world.connect(side, "one", "websocket", { from: "start" })),
  ...answers(4),
];
const maxActs = 30;
const theirs = fc.oneof(
  { weight: 1, arbitrary: fc.constant<readonly (readonly Act[])[]>([]) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        // Before all of ours, or behind what we begin with: who was first must not matter either.
        fc.constantFrom(0, begun.length),
        fc.array(fc.array(own, { maxLength: 4 }), { minLength: maxActs / 2, maxLength: maxActs, size: "max" }),
      )
      .map(([at, lists]) => [...Array.from({ length: at }, () => []), begun, ...lists]),
  },
);

export const scripts: fc.Arbitrary<Script> = fc.record({
  setting: fc.constantFrom("tenants", "users"),
  ours: fc.array(ours, { minLength: 5, maxLength: maxActs, size: "max" }).map((acts) => [...begun, ...acts]),
  theirs: fc.tuple(theirs, theirs),
});

export interface Outcome {
  readonly traces: readonly [string, string];
  readonly events: number;
  readonly guesses: number;
}

/** Longer than a lease, its grace, a deadline and a heartbeat. */
const restMs = 5_000;

async function live({ setting, ours: acts }: Script, them: readonly (readonly Act[])[]): Promise<World> {
  const world = await TheWorld.open(setting);
  for (const [at, each] of acts.entries()) {
    for (const theirAct of them[at] ?? []) await theirAct.run(world, "them");
    world.next();
    await each.run(world, "us");
  }
  world.next();
  await world.rest(restMs);
  return world;
}

/** Lives a script in both worlds. The traces are equal, or somebody shows through. */
export async function outcomeOf(script: Script): Promise<Outcome> {
  const [one, other] = [await live(script, script.theirs[0]), await live(script, script.theirs[1])];
  return {
    traces: [one.trace(), other.trace()],
    events: one.reached.events,
    guesses: one.reached.guesses + other.reached.guesses,
  };
}

/** The first line in which two traces differ. */
export function differenceOf([one, other]: Outcome["traces"]): string | undefined {
  if (one === other) return undefined;
  const [ones, others] = [one.split("\n"), other.split("\n")];
  const at = ones.findIndex((line, index) => line !== others[index]);
  const shown = at === -1 ? ones.length : at;
  return [
    `in one world:   ${ones[shown]}`,
    `in the other:   ${others[shown]}`,
    ...ones.slice(Math.max(0, shown - 4), shown),
  ].join("\n");
}

export const told = ({ setting, ours: acts, theirs: worlds }: Script): string =>
  [
    setting,
    ...acts.flatMap(({ name }, at) => [
      ...worlds.flatMap((them, world) => (them[at] ?? []).map((each) => `    ${world} they ${each.name}`)),
      `  we ${name}`,
    ]),
  ].join("\n");
