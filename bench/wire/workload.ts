/**
 * The work that every server under measurement does: runs of 30 events of about 300 bytes, as an agent says them.
 * `at` is the publisher's monotonic clock, which all processes of one machine share.
 */
export const eventsPerRun = 30;
/** Makes an event about 300 bytes on the wire. */
const filler = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor".padEnd(90, ".");

const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export interface WorkEvent {
  readonly type: "agent_thinking" | "tool_executing" | "tool_completed" | "agent_delta" | "agent_completed";
  readonly data: Record<string, unknown>;
}

/** What follows `agent_started`: thinking, two tools, an answer in 23 deltas, the end. */
export function runEvents(at: number): WorkEvent[] {
  const events: WorkEvent[] = [{ type: "agent_thinking", data: { thought: filler, at } }];
  for (const toolCallId of ["c1", "c2"]) {
    events.push({ type: "tool_executing", data: { toolCallId, toolName: "search", args: { query: filler }, at } });
    events.push({ type: "tool_completed", data: { toolCallId, status: "ok", result: filler, at } });
  }
  while (events.length < eventsPerRun - 2)
    events.push({ type: "agent_delta", data: { messageId: "m1", channel: "text", text: filler, at } });
  events.push({ type: "agent_completed", data: { output: filler, at } });
  return events;
}

export const userNames = (count: number, prefix = "user"): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

export interface Work {
  readonly users: readonly string[];
  readonly runsPerUser: number;
  /** Runs of one user that may be under way before its clients have received them. */
  readonly window: number;
  /** Between two runs of one user; 0: as fast as the window opens. */
  readonly everyMs: number;
}

/** Users whose runs stay open and say deltas. */
export interface Saying {
  readonly users: readonly string[];
  /** Events of one batch: written together, answered together. */
  readonly batch: number;
  readonly batches: number;
  /** Between the beginnings of two batches of one user; 0: the next as soon as the last is answered. */
  readonly everyMs: number;
}

/** A batch of deltas that bear the moment when they were said. */
export const deltas = (count: number): WorkEvent[] => {
  const at = nowMs();
  return Array.from({ length: count }, () => ({
    type: "agent_delta",
    data: { messageId: "m1", channel: "text", text: filler, at },
  }));
};

/** Says the batches of all users at once. Answers how long each took until it was acknowledged; one that failed is left out. */
export async function sayAll(
  { users, batch, batches, everyMs }: Saying,
  say: (user: string, events: readonly WorkEvent[]) => Promise<unknown>,
): Promise<number[]> {
  const ackMs: number[] = [];
  await Promise.all(
    users.map(async (user, index) => {
      if (everyMs > 0) await rest((everyMs * index) / users.length);
      let dueMs = nowMs();
      for (let number = 0; number < batches; number += 1) {
        const startMs = nowMs();
        // What is not taken under too much load is not said again: the figure is what is taken.
        const isTaken = await say(user, deltas(batch)).then(
          () => true,
          () => false,
        );
        if (isTaken) ackMs.push(nowMs() - startMs);
        dueMs += everyMs;
        const waitMs = dueMs - nowMs();
        if (waitMs > 1) await rest(waitMs);
      }
    }),
  );
  return ackMs;
}

/** Runs of these users, beginning at random. */
export interface Arriving {
  readonly users: readonly string[];
  readonly runsPerSecond: number;
  /** For so long runs begin; what has begun then goes on to its end. */
  readonly seconds: number;
  /** From its first event to its last. */
  readonly secondsPerRun: number;
}

/** Exponential waits between two beginnings, a user drawn for each. Answers how many runs came to their end. */
export async function arriveAll(
  { users, runsPerSecond, seconds, secondsPerRun }: Arriving,
  publishRun: (user: string, gapMs: number) => Promise<void>,
): Promise<number> {
  const gapMs = (secondsPerRun * 1_000) / eventsPerRun;
  let count = 0;
  const runs: Promise<void>[] = [];
  const endMs = nowMs() + seconds * 1_000;
  for (let dueMs = nowMs(); ; ) {
    dueMs += (-Math.log(1 - Math.random()) * 1_000) / runsPerSecond;
    if (dueMs > endMs) break;
    const waitMs = dueMs - nowMs();
    if (waitMs > 1) await rest(waitMs);
    const run = publishRun(users[Math.floor(Math.random() * users.length)] ?? "", gapMs);
    // What a store does not take in its time is not counted.
    runs.push(
      run.then(
        () => void (count += 1),
        () => {},
      ),
    );
  }
  await Promise.all(runs);
  return count;
}

/** Publishes the work: `publishRun` says one run of one user, `received` counts what that user's clients have. */
export async function publishAll(
  work: Work,
  publishRun: (user: string) => Promise<void>,
  received: (user: string) => number,
  onReceived: (task: () => void) => void,
): Promise<void> {
  const waiting = new Map<string, () => void>();
  const published: Promise<void>[] = [];
  const started = new Map<string, number>();
  const isOpen = (user: string): boolean => (started.get(user) ?? 0) - received(user) < work.window;
  onReceived(() => {
    for (const [user, go] of waiting) {
      if (!isOpen(user)) continue;
      waiting.delete(user);
      go();
    }
  });
  const user = async (name: string): Promise<void> => {
    if (work.everyMs > 0) await rest(Math.random() * work.everyMs);
    let due = nowMs();
    for (let run = 0; run < work.runsPerUser; run += 1) {
      if (!isOpen(name)) await new Promise<void>((resolve) => waiting.set(name, resolve));
      started.set(name, run + 1);
      // Nobody waits for the disk between two runs: what clients have received is the only brake.
      published.push(publishRun(name));
      due += work.everyMs;
      const waitMs = due - nowMs();
      if (waitMs > 1) await rest(waitMs);
    }
  };
  await Promise.all(work.users.map(user));
  await Promise.all(published);
}

/** So many runs for each user, one after the other, each on disk before the next. */
export async function fillAll(
  users: readonly string[],
  runsPerUser: number,
  publishRun: (user: string) => Promise<void>,
): Promise<void> {
  await Promise.all(
    users.map(async (user) => {
      for (let run = 0; run < runsPerUser; run += 1) await publishRun(user);
    }),
  );
}

/** One run for each user in `everyMs`, spread over it, until the process ends. */
export async function publishForEver(
  users: readonly string[],
  everyMs: number,
  publishRun: (user: string) => Promise<void>,
): Promise<void> {
  const startMs = nowMs();
  for (let run = 0; ; run += 1) {
    const user = users[run % users.length];
    if (user !== undefined) await publishRun(user);
    const waitMs = startMs + (run * everyMs) / users.length - nowMs();
    if (waitMs > 1) await rest(waitMs);
  }
}
