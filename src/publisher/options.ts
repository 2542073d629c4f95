/** What `connectPublisher` takes, with the defaults, checked once. */
import type { EventInput } from "../../protocol/event.ts";
import type { RunId } from "../../protocol/ids.ts";
import type { Clock } from "../platform/clock.ts";
import type { PublishFailure } from "./publish-failure.ts";
import { InvalidConfig } from "./publish-failure.ts";
import { webClock } from "./web-clock.ts";

export type PublisherFetch = (url: string, init: RequestInit) => Promise<Response>;

/** Events that were not written, or of which nobody knows: their call has rejected. */
export interface RefusedEvents {
  readonly runId: RunId;
  readonly events: readonly EventInput[];
  readonly failure: PublishFailure;
}

export interface PublisherOptions {
  /** Where the server is, as in `https://runcast.example`. A path before `/v1` is kept. */
  readonly url: string;
  /** A key with the right `publish`. It travels in the `Authorization` header and is shown nowhere else. */
  readonly apiKey: string;
  /** Of calls that name none. Default: the key's only one, or `default`. */
  readonly tenantId?: string | undefined;
  /** Another fetch than the platform's. */
  readonly fetch?: PublisherFetch | undefined;
  /** How often a call whose outcome is unknown is tried; `"lease"`: for as long as the run's lease lives. Default 3. */
  readonly tries?: number | "lease" | undefined;
  /** Before the second try; it doubles from try to try, with jitter. `Retry-After` goes before it. Default 100. */
  readonly retryMs?: number | undefined;
  /** How long an answer may take. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** The longest silence before a heartbeat. Default: a third of the lease, and at most 5,000. */
  readonly heartbeatMs?: number | undefined;
  /** Asked at every call: the W3C trace context that its events belong to. */
  readonly traceparent?: (() => string | undefined) | undefined;
  /** Hears of every event that was not written, also when nobody awaits its call. */
  readonly onRefused?: ((refused: RefusedEvents) => void) | undefined;
  /** For simulations. */
  readonly clock?: Clock | undefined;
}

export interface Settings {
  /** Without a slash at its end. */
  readonly url: string;
  readonly authorization: () => string;
  readonly tenantId: string | undefined;
  readonly fetch: PublisherFetch;
  readonly tries: number | "lease";
  readonly retryMs: number;
  readonly timeoutMs: number;
  readonly heartbeatMs: number | undefined;
  readonly traceparent: () => string | undefined;
  readonly onRefused: (refused: RefusedEvents) => void;
  readonly clock: Clock;
}

const defaultTries = 3;
const defaultRetryMs = 100;
const defaultTimeoutMs = 10_000;

/** What a header takes; a platform that refuses a key itself would show it in its error. */
const headerSafe = /^[\x21-\x7e]+$/;

function urlOf(text: string): string {
  const wrong = (message: string) => new InvalidConfig({ setting: "url", message: `url ${message}` });
  if (!URL.canParse(text)) throw wrong("is not a URL");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw wrong("must begin with http:// or https://");
  // Nothing of it is repeated: it may be a secret.
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "")
    throw wrong("must hold no credentials, no query and no fragment");
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "").replace(/\/v1$/, "");
}

function positive(setting: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidConfig({ setting, message: `${setting} must be a positive number` });
}

/** Fails: throws `InvalidConfig`, which never repeats what was given. */
export function settingsOf(options: PublisherOptions): Settings {
  const { apiKey, tries = defaultTries, clock = webClock } = options;
  if (typeof apiKey !== "string" || !headerSafe.test(apiKey))
    throw new InvalidConfig({ setting: "apiKey", message: "apiKey must be visible ASCII characters" });
  if (tries !== "lease" && !(Number.isInteger(tries) && tries > 0))
    throw new InvalidConfig({ setting: "tries", message: 'tries must be a whole number from 1, or "lease"' });
  const { heartbeatMs } = options;
  return {
    url: urlOf(options.url),
    // A closure: whoever prints a publisher, a run or an error finds no key in it.
    authorization: () => `Bearer ${apiKey}`,
    tenantId: options.tenantId,
    fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
    tries,
    retryMs: positive("retryMs", options.retryMs ?? defaultRetryMs),
    timeoutMs: positive("timeoutMs", options.timeoutMs ?? defaultTimeoutMs),
    heartbeatMs: heartbeatMs === undefined ? undefined : positive("heartbeatMs", heartbeatMs),
    traceparent: options.traceparent ?? (() => undefined),
    onRefused: options.onRefused ?? (() => {}),
    clock,
  };
}
