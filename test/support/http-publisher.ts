/**
 * A runner that publishes over HTTP and does what the contract asks of it: every event has a key, and a call whose
 * outcome is unknown is settled by repeating it with the same keys until it is answered.
 */
import type { ClaimAnswer, PublishAnswer, StartRunAnswer } from "../../protocol/http.ts";
import { apiKeys } from "./built-server.ts";

export interface SaidEvent {
  readonly type: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly key?: string;
}

/** An event that the server has acknowledged. */
export interface Acknowledged {
  readonly runId: string;
  readonly key: string;
}

/** The server said no: repeating would not help. */
export class Refused extends Error {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    super(`${status} ${JSON.stringify(body)}`);
    this.status = status;
    this.body = body;
  }
}

const answerTimeoutMs = 3_000;
const repeatMs = 50;
/** Longer than any server of ours takes to come back. */
const maxTries = 200;
/** Of the server, and of a proxy whose server went while it was asked: nobody knows what became of the call. */
const unknown: ReadonlySet<number> = new Set([502, 503, 504]);

export class HttpPublisher {
  /** In the order in which the answers came. */
  readonly acknowledged: Acknowledged[] = [];
  /** Calls that were repeated because no answer came. */
  repeats = 0;
  /** Events that a repeated call had already brought. */
  duplicates = 0;
  private readonly url: () => string;
  private readonly key: string;
  private nextKey = 1;

  /** `url` is asked before every call: the server may come back elsewhere. */
  constructor(url: string | (() => string), key: string = apiKeys.publish) {
    this.url = typeof url === "string" ? () => url : url;
    this.key = key;
  }

  /** `runId` is the publisher's own, so that a repeated start is the same start. */
  startRun(body: { readonly userId: string; readonly runId: string; readonly [field: string]: unknown }) {
    return this.settle<StartRunAnswer>("/v1/runs", { agent: "tester", ...body });
  }

  async publish(run: { readonly runId: string; readonly fence: unknown }, said: readonly SaidEvent[]) {
    const events = said.map((event) => ({ ...event, key: event.key ?? `k${this.nextKey++}` }));
    const answer = await this.settle<PublishAnswer>(`/v1/runs/${run.runId}/events`, { fence: run.fence, events });
    this.duplicates += answer.duplicates;
    for (const { key } of events) this.acknowledged.push({ runId: run.runId, key });
    return answer;
  }

  /** Takes a run over. One that is repeated takes it over once more. */
  claim(runId: string): Promise<ClaimAnswer> {
    return this.settle<ClaimAnswer>(`/v1/runs/${runId}/claim`, {});
  }

  private async settle<Answer>(path: string, body: unknown): Promise<Answer> {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.ask(path, JSON.stringify(body));
      if (answer?.ok) return (await answer.json()) as Answer;
      if (answer !== undefined && (!unknown.has(answer.status) || tries === maxTries))
        throw new Refused(answer.status, await answer.json());
      if (tries === maxTries) throw new Error(`${path} was not answered ${tries} times`);
      this.repeats += 1;
      await new Promise((resolve) => setTimeout(resolve, repeatMs));
    }
  }

  /** Undefined: nobody knows what became of the call. */
  private async ask(path: string, body: string): Promise<Response | undefined> {
    try {
      const response = await fetch(`${this.url()}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${this.key}`, "content-type": "application/json" },
        body,
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
      // An answer is one only when all of it has come.
      return new Response(await response.arrayBuffer(), { status: response.status });
    } catch {
      return undefined;
    }
  }
}
