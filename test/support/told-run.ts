/** Runs told to a log token by token, each an append of its own, and what a reader makes of them. */
import type { RunId, StreamKey } from "../../protocol/ids.ts";
import type { EventLog, StoredEvent } from "../../src/log/event-log.ts";
import { event, newRun, next, started, write } from "../../src/testing/event-log/sample.ts";

const token = (text: string, time?: string) =>
  event(text, {
    type: "agent_delta",
    data: JSON.stringify({ messageId: "m1", channel: "text", text }),
    ...(time !== undefined && { time }),
  });

/** A run that says so many tokens, each an append of its own, and ends. */
export async function tell(log: EventLog, stream: StreamKey, runId: RunId, tokens: readonly string[], time?: string) {
  const own = (seq: number, events: Parameters<typeof next>[1], more = {}) => ({
    ...next(seq, events, { runId, ...more }),
    stream,
  });
  await write(log, started(newRun(runId, stream), [event("begin", time === undefined ? {} : { time })]));
  await Promise.all(tokens.map((text, index) => write(log, own(index + 1, [token(text, time)]))));
  const end = event("end", time === undefined ? {} : { time });
  await write(log, own(tokens.length + 1, [end], { ended: "completed" }));
}

export const textOf = (events: readonly StoredEvent[]): string =>
  events.map(({ type, data }) => (type === "agent_delta" ? JSON.parse(data).text : "|")).join("");
