/**
 * Which pages may talk to us. A browser names the page's origin; only our own host and the configured origins pass.
 * What sends no origin is no page.
 */
import type { IncomingMessage } from "node:http";
import { Forbidden } from "../errors.ts";
import type { Headers } from "./reply.ts";

const allowedMethods = "GET, POST, PUT, PATCH, OPTIONS";
const allowedHeaders = "authorization, content-type, if-match, last-event-id, traceparent, x-runcast-tenant";
const preflightSeconds = "600";

export class OriginPolicy {
  private readonly allowed: ReadonlySet<string>;

  constructor(allowedOrigins: readonly string[]) {
    this.allowed = new Set(allowedOrigins);
  }

  /** Why the request's page may not talk to us, or undefined. */
  refuse(request: IncomingMessage): Forbidden | undefined {
    const { origin } = request.headers;
    if (origin === undefined || this.allowed.has(origin) || isSameOrigin(origin, request)) return undefined;
    return new Forbidden({
      message: "this origin is not allowed; RUNCAST_ALLOWED_ORIGINS names those that are",
      reason: "origin",
    });
  }

  /** What lets a page of another, allowed origin read the answer. */
  headers(request: IncomingMessage): Headers | undefined {
    const { origin } = request.headers;
    if (origin === undefined || !this.allowed.has(origin)) return undefined;
    return {
      "access-control-allow-origin": origin,
      vary: "origin",
      "access-control-expose-headers": "etag, retry-after",
    };
  }

  /** The answer to a preflight. */
  preflight(request: IncomingMessage): Headers {
    return {
      ...this.headers(request),
      "access-control-allow-methods": allowedMethods,
      "access-control-allow-headers": allowedHeaders,
      "access-control-max-age": preflightSeconds,
    };
  }
}

/** Scheme aside, because a proxy may have taken TLS off: the page comes from the host that it talks to. */
function isSameOrigin(origin: string, request: IncomingMessage): boolean {
  const { host } = request.headers;
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: originHost } = new URL(origin);
  return (protocol === "http:" || protocol === "https:") && originHost === host.toLowerCase();
}
