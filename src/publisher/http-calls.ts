/**
 * One call of the HTTP API until its outcome is known: request, timeout, answer, and the same request again while
 * the outcome is unknown and there are tries left. A call has three outcomes, and this is where they are told apart
 * (docs: runners).
 */
import { pause } from "../platform/pause.ts";
import { parseJson, serverFrameLimits } from "../../protocol/json.ts";
import type { Settings } from "./options.ts";
import type { PublishFailure } from "./publish-failure.ts";
import { LogUnavailable } from "./publish-failure.ts";
import { failureOfAnswer } from "./refused-answer.ts";

export interface HttpCall {
  /** After `/v1`. */
  readonly path: string;
  /** JSON text; the same at every try. */
  readonly body: string;
  /** A field without which an answer is not the server's. */
  readonly expects: string;
  readonly tenantId?: string | undefined;
  readonly traceparent?: string | undefined;
  /** Beyond the usual time, for calls that wait at the server. */
  readonly extraMs?: number | undefined;
  readonly timeoutMs?: number | undefined;
}

/** How long a call is repeated. */
export interface Persistence {
  /** 1: not at all. Default: the publisher's setting. */
  readonly tries?: number | undefined;
  /** On the monotonic clock, for `tries: "lease"`. */
  readonly untilMono?: (() => number) | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
  /** When the request that was answered left. */
  readonly sentMono: number;
  /** The server's own clock, to the second; milliseconds since 1970. */
  readonly serverDateMs: number | undefined;
  /** A try before had no known outcome: this may be its answer. */
  readonly isRepeated: boolean;
}

type Answered = Omit<HttpAnswer, "sentMono" | "isRepeated">;

const msPerSecond = 1_000;
/** Between two tries, however many there were. */
const maxBackoffMs = 5_000;
/** Who is sent away for longer hears so, and decides. */
const maxRetryAfterMs = 30_000;
const maxCauseChars = 1_000;
const randomBytes = 4;
const randomSpan = 2 ** 32;

/** After an unknown try these are no proof that it was not written: they are said before the keys are looked at. */
const saidBeforeKeys = new Set(["Fenced", "Unauthenticated", "Forbidden", "NotFound", "UnexpectedAnswer"]);
const transient = new Set(["LogUnavailable", "LogFull", "NotAccepting", "TooMany"]);

/** Whether the same call may fare better later. */
export const isTransient = (failure: PublishFailure): boolean => transient.has(failure._tag);

const retryAfterOf = (failure: PublishFailure): number =>
  "retryAfterMs" in failure && typeof failure.retryAfterMs === "number" ? failure.retryAfterMs : 0;

export class HttpCalls {
  private readonly settings: Settings;

  constructor(settings: Settings) {
    this.settings = settings;
  }

  /** Fails: `PublishFailure`. */
  async settle(call: HttpCall, persistence: Persistence = {}): Promise<HttpAnswer> {
    const { clock } = this.settings;
    let isUnknown = false;
    for (let tries = 1; ; tries += 1) {
      const sentMono = clock.mono();
      const said = await this.ask(call);
      if (!(said instanceof Error)) return { ...said, sentMono, isRepeated: isUnknown };
      isUnknown ||= said.outcome === "unknown";
      const waitMs = this.waitMs(said, tries);
      if (!isTransient(said) || !this.mayRepeat(tries, waitMs, persistence)) throw settled(said, isUnknown);
      await pause(clock, waitMs);
    }
  }

  private mayRepeat(triesSoFar: number, waitMs: number, { tries, untilMono }: Persistence): boolean {
    if (waitMs > maxRetryAfterMs) return false;
    const limit = tries ?? this.settings.tries;
    if (limit === "lease") return untilMono !== undefined && this.settings.clock.mono() < untilMono();
    return triesSoFar < limit;
  }

  private waitMs(failure: PublishFailure, tries: number): number {
    const { clock, retryMs } = this.settings;
    const ceilingMs = Math.min(retryMs * 2 ** (tries - 1), Math.max(retryMs, maxBackoffMs));
    const drawn = new DataView(clock.random(randomBytes).slice().buffer).getUint32(0) / randomSpan;
    // From a half to the whole of it: many runners that lost one server do not come back together.
    return Math.max(retryAfterOf(failure), ceilingMs * (0.5 + drawn / 2));
  }

  /** One try. */
  private async ask(call: HttpCall): Promise<Answered | PublishFailure> {
    const { settings } = this;
    const timeoutMs = (call.timeoutMs ?? settings.timeoutMs) + (call.extraMs ?? 0);
    const abort = new AbortController();
    const timedOut = Promise.withResolvers<never>();
    const cancelTimeout = settings.clock.after(timeoutMs, () => {
      abort.abort();
      // A fetch that does not listen must not hold the run up either.
      timedOut.reject(new Error("timeout"));
    });
    try {
      return await Promise.race([this.fetched(call, abort.signal), timedOut.promise]);
    } catch (cause) {
      const message = abort.signal.aborted ? `there was no answer within ${timeoutMs} ms` : "the call failed";
      return this.unanswered(`${message}: repeat it with the same keys to learn what became of it`, cause);
    } finally {
      cancelTimeout();
    }
  }

  private async fetched(call: HttpCall, signal: AbortSignal): Promise<Answered | PublishFailure> {
    const { settings } = this;
    const response = await settings.fetch(this.urlOf(call), {
      method: "POST",
      headers: {
        authorization: settings.authorization(),
        "content-type": "application/json",
        ...(call.traceparent !== undefined && { traceparent: call.traceparent }),
      },
      body: call.body,
      // A key goes where it was meant to go, and nowhere else.
      redirect: "manual",
      signal,
    });
    // All of it: an answer is one only then, and the connection is free for the next call.
    const parsed = parseJson(await boundedText(response), serverFrameLimits);
    return this.read(response, call.expects, parsed.ok ? parsed.value : undefined);
  }

  private read(response: Response, expects: string, body: unknown): Answered | PublishFailure {
    const { status, ok, headers } = response;
    const seconds = Number(headers.get("retry-after") ?? 0);
    const retryAfterMs = seconds > 0 ? seconds * msPerSecond : 0;
    if (!ok) return this.scrubbed(failureOfAnswer({ status, body, retryAfterMs }));
    if (typeof body !== "object" || body === null || !(expects in body))
      return new LogUnavailable({ message: `the answer was ${status}, and not from Runcast`, retryAfterMs });
    const date = Date.parse(headers.get("date") ?? "");
    return { status, body, serverDateMs: Number.isNaN(date) ? undefined : date };
  }

  private urlOf({ path, tenantId = this.settings.tenantId }: HttpCall): string {
    const query = tenantId === undefined ? "" : `?tenantId=${encodeURIComponent(tenantId)}`;
    return `${this.settings.url}/v1${path}${query}`;
  }

  /** What the platform says may hold the request, and so the key: only words of it are kept, and never the key. */
  private unanswered(message: string, thrown: unknown): LogUnavailable {
    const root = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
    const code: unknown = typeof root === "object" && root !== null ? Reflect.get(root, "code") : undefined;
    const words = [root instanceof Error ? root.name : undefined, code, root instanceof Error ? root.message : root];
    const cause = this.scrub(words.filter((word) => word !== undefined && word !== "").join(" "));
    return new LogUnavailable({ message: `${message} (${cause})`, retryAfterMs: 0, cause });
  }

  private scrubbed(failure: PublishFailure): PublishFailure {
    failure.message = this.scrub(failure.message);
    return failure;
  }

  private scrub(text: string): string {
    const key = this.settings.authorization().replace(/^Bearer /, "");
    return text.replaceAll(key, "[api key]").slice(0, maxCauseChars);
  }
}

/** The body, as far as we read any: a stranger in the server's place must not fill the runner's memory (FAULTS 65). */
async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  for (let bytes = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    if (bytes > serverFrameLimits.maxChars) {
      await reader.cancel();
      throw new Error(`the answer is longer than ${serverFrameLimits.maxChars} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** The failure as the caller hears it, knowing of the tries before. */
function settled(failure: PublishFailure, isUnknown: boolean): PublishFailure {
  failure.isRepeated = isUnknown;
  if (!isUnknown || failure.outcome === "unknown") return failure;
  if (failure._tag === "NotAccepting" || failure._tag === "TooMany")
    return new LogUnavailable({
      message: `an earlier try had no answer, and now: ${failure.message}`,
      retryAfterMs: retryAfterOf(failure),
    });
  if (saidBeforeKeys.has(failure._tag)) failure.outcome = "unknown";
  return failure;
}
