/** The server's HTTP calls that the command line makes; what goes wrong becomes one line that says what to do. */
import type { EventsAnswer } from "../../protocol/http.ts";
import type { RunView } from "../../protocol/run-view.ts";
import { Failure } from "./command-line.ts";

/** The server did not answer, or asked to come back: the same call may succeed later. */
export class Unreachable extends Failure {}

export interface HttpApi {
  run(runId: string): Promise<RunView>;
  /** The events of a run after a seq. */
  runEvents(runId: string, afterSeq: number, signal?: AbortSignal): Promise<EventsAnswer>;
}

const pageSize = 1_000;

const advice: Readonly<Record<number, string>> = {
  401: "the credential is not accepted: has it expired, or was it made with another secret?",
  403: "the credential may not do this: reading runs needs the run's owner, or an API key with the right admin",
  404: "no such run, or not yours",
};

/** Reads as whoever `bearer` says; `tenantId` is for keys of many tenants. */
export function httpApi(serverUrl: string, bearer: string, tenantId: string | undefined): HttpApi {
  async function get<Answer>(path: string, query: Record<string, string>, signal?: AbortSignal): Promise<Answer> {
    const url = new URL(path, serverUrl);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    if (tenantId !== undefined) url.searchParams.set("tenantId", tenantId);
    let response: Response;
    try {
      response = await fetch(url, { headers: { authorization: `Bearer ${bearer}` }, signal: signal ?? null });
    } catch (cause) {
      if (signal?.aborted === true) throw cause;
      throw new Unreachable(`cannot reach ${serverUrl}: is the server running? Start it with: runcast serve`);
    }
    if (response.ok) return (await response.json()) as Answer;
    await response.body?.cancel();
    if (response.status >= 500 || response.status === 429)
      throw new Unreachable(`${serverUrl} answered ${response.status}: it is overloaded or restarting`);
    throw new Failure(advice[response.status] ?? `${url.pathname} was answered with ${response.status}`);
  }
  const pathOf = (runId: string) => `/v1/runs/${encodeURIComponent(runId)}`;
  return {
    run: (runId) => get<RunView>(pathOf(runId), {}),
    runEvents: (runId, afterSeq, signal) =>
      get<EventsAnswer>(`${pathOf(runId)}/events`, { after: String(afterSeq), limit: String(pageSize) }, signal),
  };
}
