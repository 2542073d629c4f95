/** The gateway's reads and the demo's users, over HTTP. Before the stream: what happened before it began. */
import type { RunEvent } from "../../protocol/event.ts";
import type { EventsAnswer, RunsAnswer } from "../../protocol/http.ts";
import type { HistoryReader } from "./run-book.ts";

const pageSize = 1_000;
const recentRuns = 30;

export interface DemoUser {
  readonly userId: string;
  readonly name: string;
  readonly token: string;
}

async function read<Answer>(path: string, token: string): Promise<Answer> {
  const response = await fetch(path, { headers: { authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return (await response.json()) as Answer;
}

/** History of the user whose token `tokenOf` gives. */
export function historyReader(tokenOf: () => string): HistoryReader {
  const eventsOf = async (runId: string, after: number, limit: number) => {
    const path = `/v1/runs/${encodeURIComponent(runId)}/events?after=${after}&limit=${limit}`;
    const { events, next } = await read<EventsAnswer>(path, tokenOf());
    return { events: events.filter((event): event is RunEvent => event.runId !== undefined), next };
  };
  return {
    runs: async () => (await read<RunsAnswer>(`/v1/runs?limit=${recentRuns}`, tokenOf())).runs,
    first: async (runId) => (await eventsOf(runId, 0, 1)).events[0],
    events: async (runId) => {
      const all: RunEvent[] = [];
      for (let after: number | null = 0; after !== null; ) {
        const { events, next } = await eventsOf(runId, after, pageSize);
        for (const event of events) all.push(event);
        after = next;
      }
      return all;
    },
  };
}

/** The demo's users, or undefined where there are none: a server with real users. */
export async function demoUsers(): Promise<readonly DemoUser[] | undefined> {
  try {
    const response = await fetch("/dev/users");
    if (!response.ok) return undefined;
    const { users } = (await response.json()) as { readonly users: readonly DemoUser[] };
    return users;
  } catch {
    return undefined;
  }
}
