/**
 * The connection as the page shows it, and what became of the last cut. Pure: `use-link` feeds it with what the
 * client says; `connection-pill` and `cut-notice` show it.
 */
export type LinkPhase = "connecting" | "live" | "catchingUp" | "reconnecting" | "offline" | "stopped";

export interface Link {
  readonly phase: LinkPhase;
  /** Everything up to here has been taken in. */
  readonly offset: number;
  /** The end of the stream, as far as it is known. */
  readonly head: number;
  /** Epoch milliseconds: when it tries again. */
  readonly retryAt?: number;
  /** Why it stopped. */
  readonly reason?: string;
}

export interface Outage {
  /** Epoch milliseconds. */
  readonly cutAt: number;
  readonly offset: number;
  /** When the server answered again, and how much was missing then. */
  readonly resumedAt?: number;
  readonly missed?: number;
  /** When nothing was missing any more. */
  readonly healedAt?: number;
}

const isConnected = (link: Link): boolean => link.phase === "live" || link.phase === "catchingUp";

/** What is known of the outage after this look at the link; none begins before the first time it was live. */
export function foldOutage(outage: Outage | undefined, before: Link, link: Link, nowMs: number): Outage | undefined {
  const breaks = isConnected(before) && !isConnected(link) && link.phase !== "stopped";
  if (breaks) return { cutAt: nowMs, offset: before.offset };
  if (outage === undefined || outage.healedAt !== undefined || !isConnected(link)) return outage;
  const resumed = outage.resumedAt === undefined;
  const next = resumed ? { ...outage, resumedAt: nowMs, missed: Math.max(0, link.head - outage.offset) } : outage;
  return link.offset >= outage.offset + (next.missed ?? 0) ? { ...next, healedAt: nowMs } : next;
}

/** `live`, `catching up`, `reconnecting in 2 s`. */
export function linkText(link: Link, nowMs: number): string {
  switch (link.phase) {
    case "live":
      return "live";
    case "catchingUp":
      return "catching up";
    case "connecting":
      return "connecting";
    case "offline":
      return "offline";
    case "stopped":
      return "stopped";
    case "reconnecting": {
      const waitMs = link.retryAt === undefined ? 0 : link.retryAt - nowMs;
      return waitMs > 0 ? `reconnecting in ${Math.ceil(waitMs / 1_000)} s` : "reconnecting";
    }
  }
}
