/** What may happen in a world, as commands that fast-check draws, orders and shrinks. */
import type { AsyncCommand } from "fast-check";
import * as fc from "fast-check";
import type { EventOf, World, WorldSettings } from "./world.ts";

type Model = Record<string, never>;
type Happening = AsyncCommand<Model, World>;

function command(name: string, run: (world: World) => void | Promise<void>): Happening {
  return {
    check: () => true,
    run: async (_model, world) => {
      await run(world);
    },
    toString: () => name,
  };
}

interface NamedEvent {
  readonly name: string;
  readonly make: EventOf;
}

const named = (name: string, make: EventOf): NamedEvent => ({ name, make });
const marked = (name: string, type: string, data: object = {}): NamedEvent =>
  named(name, (mark) => ({ type, data: { ...data, mark } }));
const call = (toolCallId: string, more: object = {}) => ({ toolCallId, toolName: "t", ...more });

const delta = fc.constantFrom("m", "n").map((messageId) =>
  named(`delta ${messageId}`, (mark) => ({
    type: "agent_delta",
    data: { messageId, channel: "text", text: `${mark};` },
  })),
);
const payload = fc.oneof(
  { weight: 3, arbitrary: delta },
  { weight: 2, arbitrary: fc.constant(marked("note", "x.note")) },
  { weight: 1, arbitrary: fc.constant(marked("progress", "agent_progress")) },
);

/** Events of every kind, legal or not. */
export const anyEvent: fc.Arbitrary<NamedEvent> = fc.oneof(
  { weight: 2, arbitrary: payload },
  {
    weight: 5,
    arbitrary: fc
      .constantFrom("a", "b")
      .chain((id) =>
        fc.constantFrom(
          marked(`execute ${id}`, "tool_executing", call(id)),
          marked(`execute ${id} again`, "tool_executing", call(id, { attempt: 2 })),
          marked(`propose ${id}`, "tool_proposed", call(id)),
          marked(`complete ${id}`, "tool_completed", { toolCallId: id, status: "ok" }),
          marked(`deny ${id}`, "tool_completed", { toolCallId: id, status: "denied" }),
          marked(`cancel ${id}`, "tool_completed", { toolCallId: id, status: "cancelled" }),
        ),
      ),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      marked("think", "agent_thinking"),
      marked("suspend", "agent_suspended", { reason: "r", approvals: [{ approvalId: "p" }] }),
      marked("wait", "agent_suspended", { reason: "r" }),
      marked("resume", "agent_resumed"),
      marked("resolve", "approval_resolved", { approvalId: "p", decision: "deny" }),
      marked("start", "agent_started", { agent: "a" }),
      marked("ask to cancel", "cancel_requested", { deadlineMs: 500 }),
      marked("refuse to cancel", "cancel_refused"),
      marked("interrupt", "agent_interrupted", { reason: "shutdown" }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      marked("complete", "agent_completed"),
      marked("fail", "agent_failed", { error: { code: "c", message: "m" } }),
      marked("be cancelled", "agent_cancelled"),
    ),
  },
);

const batchOf = (event: fc.Arbitrary<NamedEvent>): fc.Arbitrary<readonly NamedEvent[]> =>
  fc.array(event, { minLength: 1, maxLength: 5 });
const publish = (event: fc.Arbitrary<NamedEvent>) =>
  fc.tuple(fc.nat(3), batchOf(event), fc.integer({ min: 0, max: 9 })).map(([run, events, dice]) => {
    const stale = dice === 0;
    const makes = events.map(({ make }) => make);
    return command(
      `publish(${run}, [${events.map(({ name }) => name).join(", ")}]${stale ? ", stale" : ""})`,
      (world) => world.publish(run, makes, stale),
    );
  });

const release = fc
  .integer({ min: 1, max: 6 })
  .map((steps) => command(`release(${steps})`, (world) => world.release(steps)));
const advance = fc
  .constantFrom(10, 300, 1_500, 6_000)
  .map((ms) => command(`advance(${ms})`, (world) => world.advance(ms)));
const start = fc.nat(3).map((run) => command(`start(${run})`, (world) => world.start(run)));
const troubles = fc.oneof(
  fc
    .constantFrom("before", "after")
    .map((fault) => command(`fail(${fault})`, (world) => world.fail(fault as "before"))),
  fc.constant(command("restart()", (world) => world.restart())),
  fc.constant(command("retry()", (world) => world.retry())),
  fc.nat(3).map((run) => command(`claim(${run})`, (world) => world.claim(run))),
);
const people = fc.oneof(
  fc
    .tuple(fc.nat(3), fc.constantFrom(0, 200, 2_000))
    .map(([run, ms]) => command(`cancel(${run}, ${ms})`, (world) => world.cancel(run, ms))),
  fc
    .tuple(fc.nat(3), fc.constantFrom("approve", "deny"))
    .map(([run, decision]) =>
      command(`resolve(${run}, ${decision})`, (world) => world.resolve(run, decision as "deny")),
    ),
);
const readers = fc.nat(3).chain((which) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(command(`connect(${which})`, (world) => world.connect(which))) },
    {
      weight: 6,
      arbitrary: fc
        .integer({ min: 1, max: 5 })
        .map((count) => command(`handle(${which}, ${count})`, (world) => world.device(which)?.handle(count))),
    },
    {
      weight: 4,
      arbitrary: fc.integer({ min: 0, max: 4 }).map((count) =>
        command(`reload(${which}, ${count})`, async (world) => {
          world.device(which)?.handle(count);
          world.device(which)?.cut();
          await world.connect(which);
        }),
      ),
    },
    { weight: 3, arbitrary: fc.constant(command(`ack(${which})`, (world) => world.device(which)?.ack())) },
    { weight: 2, arbitrary: fc.constant(command(`cut(${which})`, (world) => world.device(which)?.cut())) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(0, 4_000_000).map((bytes) =>
        command(`buffer(${which}, ${bytes})`, (world) => {
          const transport = world.device(which)?.transport;
          if (transport) transport.bufferedBytes = bytes;
        }),
      ),
    },
  ),
);
const notice = fc.nat(1).map((user) => command(`notify(${user})`, (world) => world.notify(user)));

const maxCommands = 60;

/** Runs and those who act on them: for the laws of what is written. */
export const writing: fc.Arbitrary<Iterable<Happening>> = fc.commands(
  [start, start, publish(anyEvent), publish(anyEvent), publish(anyEvent), release, release, advance, people, troubles],
  { maxCommands, size: "max" },
);

/** Streams that grow, and devices that come and go: for the laws of what is read. */
export const reading: fc.Arbitrary<Iterable<Happening>> = fc.commands(
  [
    start,
    publish(payload),
    publish(payload),
    publish(anyEvent),
    release,
    release,
    advance,
    notice,
    troubles,
    readers,
    readers,
    readers,
  ],
  { maxCommands, size: "max" },
);

export const settings = (
  over: { readonly onIllegal?: readonly WorldSettings["onIllegal"][] } = {},
): fc.Arbitrary<WorldSettings> =>
  fc.record({
    windowEvents: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constant(1_024)),
    windowBytes: fc.constantFrom(400, 3_000, 1_048_576),
    leaseMs: fc.constantFrom(1_000, 60_000),
    profile: fc.constantFrom("standard", "standard", "strict"),
    isBegun: fc.constantFrom(true, true, true, false),
    onIllegal: fc.constantFrom(...(over.onIllegal ?? (["reject", "repair"] as const))),
    devices: fc.array(
      fc.record({
        user: fc.nat(1),
        want: fc.constantFrom("all", "all", "deltas"),
        merge: fc.boolean(),
        batch: fc.boolean(),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  });
