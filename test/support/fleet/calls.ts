/** Calls to one node of a fleet, named by what a runner or an operator wants. */
import { apiKeys } from "../built-server.ts";
import type { HttpAnswer } from "../http-reader.ts";
import { call } from "../http-reader.ts";
import type { FleetNode } from "./fleet.ts";

export interface Started {
  readonly runId: string;
  readonly fence: number;
}

type Body = Readonly<Record<string, unknown>>;

/** As who may publish and operate. `path` begins with the method, as in `POST /v1/runs`. */
export const ask = (node: FleetNode, path: string, body?: Body): Promise<HttpAnswer> =>
  call(node.url, path, { as: apiKeys.both, ...(body !== undefined && { body }) });

export async function startRun(node: FleetNode, body: Body): Promise<Started> {
  const made = await ask(node, "POST /v1/runs", { agent: "tester", ...body });
  if (made.status !== 201) throw new Error(`the run was not made: ${made.status} ${made.text}`);
  return made.body;
}

export const say = (node: FleetNode, { runId, fence }: Started, ...events: readonly Body[]): Promise<HttpAnswer> =>
  ask(node, `POST /v1/runs/${runId}/events`, { fence, events });

export const word = (text: string): Body => ({ type: "x.word", data: { word: text } });

interface LoggedEvent {
  readonly type: string;
  readonly data: Body;
}

/** A run's events as a node shows them. */
export async function eventsOf(node: FleetNode, { runId }: Pick<Started, "runId">): Promise<readonly LoggedEvent[]> {
  const { status, text, body } = await ask(node, `GET /v1/runs/${runId}/events?limit=1000`);
  if (status !== 200) throw new Error(`the events of ${runId}: ${status} ${text}`);
  return body.events;
}

/** What was said with `word`. */
export const wordsOf = async (node: FleetNode, run: Pick<Started, "runId">): Promise<unknown[]> =>
  (await eventsOf(node, run)).filter(({ type }) => type === "x.word").map(({ data }) => data["word"]);
