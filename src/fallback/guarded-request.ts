/**
 * The one way out to a URL that is not ours alone: webhooks, push services, gateways, alert receivers. Every address is
 * judged at the moment of connecting, by the answer that is then connected to (FAULTS 42); no redirect is followed,
 * and a call costs bounded time, bytes and sockets (FAULTS 43).
 */
import { lookup as systemLookup } from "node:dns/promises";
import type { LookupAddress } from "node:dns";
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import { isIP } from "node:net";
import type { Clock } from "../platform/clock.ts";
import { httpRequest } from "../platform/node-http.ts";
import type { EgressRules } from "./egress-rules.ts";
import { hostOf } from "./egress-rules.ts";
import { NotTaken } from "./not-taken.ts";

/** All addresses of a host name. */
export type ResolveHost = (host: string) => Promise<readonly LookupAddress[]>;

export interface GuardedTerms {
  readonly clock: Clock;
  readonly rules: EgressRules;
  /** From the call to the end of the answer. */
  readonly timeoutMs?: number | undefined;
  /** Default: the system's. */
  readonly resolve?: ResolveHost | undefined;
}

export interface GuardedCall {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  readonly signal: AbortSignal;
}

/**
 * Posts, and gives the status of the answer, whatever it is. Its body is read to its end within bounds and forgotten.
 *
 * Fails: `NotTaken` with `target` (not called at all), `call` (no answer in time) or `aborted`.
 */
export type GuardedPost = (call: GuardedCall) => Promise<number>;

const defaultTimeoutMs = 10_000;
const maxHeaderBytes = 16_384;
/** Nobody reads it: it is drained so that a well-behaved server sees its answer taken. */
const maxBodyBytes = 65_536;
const maxUrlChars = 2_048;

const resolveBySystem: ResolveHost = (host) => systemLookup(host, { all: true });

const refused = (why: string): NotTaken => new NotTaken("target", `the target ${why}: it may not be called`);

/** The URL, if calls may go to such a one. */
function targetOf({ url: text }: GuardedCall, rules: EgressRules): URL {
  if (text.length > maxUrlChars || !URL.canParse(text)) throw refused("is not a URL");
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw refused("is neither http nor https");
  if (url.username !== "" || url.password !== "") throw refused("has credentials in its URL");
  const host = hostOf(url);
  const why = isIP(host) === 0 ? undefined : rules.refusal(url, host);
  if (why !== undefined) throw refused(why);
  return url;
}

/** Names are resolved once, when the socket asks: what was judged is what is connected to. */
function guardedLookup(url: URL, rules: EgressRules, resolve: ResolveHost): LookupFunction {
  return (host, options, answer) => {
    const fail = (cause: unknown): void => answer(cause instanceof Error ? cause : new Error("not resolved"), []);
    resolve(host).then((addresses) => {
      const why = addresses.map(({ address }) => rules.refusal(url, address)).find((each) => each !== undefined);
      // One bad address among good ones is an attack, or a mistake that would sometimes be one.
      if (why !== undefined) return fail(refused(why));
      const [first] = addresses;
      if (first === undefined) return fail(new Error("no address"));
      if (options.all) answer(null, [...addresses]);
      else answer(null, first.address, first.family);
    }, fail);
  };
}

/** Node's errors name hosts and addresses: only their code is told. */
function failureOf(cause: unknown): NotTaken {
  if (cause instanceof NotTaken) return cause;
  const code: unknown = Reflect.get(Object(cause), "code");
  return new NotTaken("call", `no answer: ${typeof code === "string" ? code : "the connection failed"}`);
}

/** Resolves at the end of the answer, or where it is cut. */
function drained(answer: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0;
    answer.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBodyBytes) answer.destroy();
    });
    answer.once("close", resolve);
    // Cut short by the other side: its status was said.
    answer.once("error", () => resolve());
  });
}

/** Makes the way out. */
export function guardedPost(terms: GuardedTerms): GuardedPost {
  const { clock, rules, timeoutMs = defaultTimeoutMs, resolve = resolveBySystem } = terms;

  return async (call) => {
    const { signal, body, headers } = call;
    if (signal.aborted) throw new NotTaken("aborted", "given up before it was called");
    const url = targetOf(call, rules);
    const options: RequestOptions = {
      method: "POST",
      headers: { "user-agent": "runcast", ...headers, "content-length": Buffer.byteLength(body) },
      // A connection of its own: nothing of one target is left for the next.
      agent: false,
      lookup: guardedLookup(url, rules, resolve),
      maxHeaderSize: maxHeaderBytes,
    };
    const request = url.protocol === "https:" ? httpsRequest(url, options) : httpRequest(url, options);
    let answered = false;
    const giveUp = (failure: NotTaken): void => void request.destroy(answered ? undefined : failure);
    const onAbort = (): void => giveUp(new NotTaken("aborted", "given up before there was an answer"));
    const cancel = clock.after(timeoutMs, () => giveUp(new NotTaken("call", `no answer within ${timeoutMs} ms`)));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const answer = await answerTo(request, body);
      answered = true;
      await drained(answer);
      return answer.statusCode ?? 0;
    } catch (cause) {
      throw failureOf(cause);
    } finally {
      cancel();
      signal.removeEventListener("abort", onAbort);
      request.destroy();
    }
  };
}

function answerTo(request: ClientRequest, body: string | Uint8Array): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    // Stays: what fails after the answer has begun is no news.
    request.on("error", reject);
    request.once("close", () => reject(new Error("closed without an answer")));
    request.end(body);
  });
}
