/** How the connection is, how far it has read, and what the last cut cost. */
import { useEffect, useState } from "react";
import { durationText } from "./durations.ts";
import { Icon } from "./icon.tsx";
import type { Link, Outage } from "./link.ts";
import { linkText } from "./link.ts";

const tickMs = 250;

/** Now, as long as something on the screen counts down to it. */
function useNow(running: boolean): number {
  const [nowMs, setNowMs] = useState(Date.now);
  useEffect(() => {
    if (!running) return;
    setNowMs(Date.now());
    const timer = setInterval(() => setNowMs(Date.now()), tickMs);
    return () => clearInterval(timer);
  }, [running]);
  return nowMs;
}

export function ConnectionPill({ link }: { readonly link: Link }) {
  const nowMs = useNow(link.phase === "reconnecting");
  return (
    <div className={`pill ${link.phase}`} role="status">
      <span className="pill-dot" />
      <span data-testid="connection-state" data-state={link.phase}>
        {linkText(link, nowMs)}
      </span>
      <span className="pill-offset mono" title="Offset that this tab has taken in / end of your stream">
        <span data-testid="offset" data-offset={link.offset} data-head={link.head}>
          {link.offset}
        </span>
        /{Math.max(link.head, link.offset)}
      </span>
    </div>
  );
}

const events = (count: number) => (count === 1 ? "1 event" : `${count} events`);

interface CutNoticeProps {
  readonly outage: Outage;
  /** No gap was declared: then all that was missed has come. */
  readonly whole: boolean;
  readonly dismiss: () => void;
}

export function CutNotice({ outage, whole, dismiss }: CutNoticeProps) {
  const { cutAt, resumedAt, healedAt, missed = 0 } = outage;
  const healed = healedAt !== undefined && resumedAt !== undefined;
  return (
    <div className={healed ? "cut-notice healed" : "cut-notice"} role="status" data-testid="cut-notice">
      <Icon name={healed ? "check" : "cut"} size={15} />
      {healed ? (
        <span>
          Away for {durationText(resumedAt - cutAt)}, <strong>missed {events(missed)}</strong>,{" "}
          <strong>caught up in {durationText(healedAt - resumedAt)}</strong>.{whole && " Nothing lost, nothing twice."}
        </span>
      ) : (
        <span>
          No connection. This tab stands at offset <span className="mono">{outage.offset}</span> and reads on from there
          as soon as it is back.
        </span>
      )}
      {healed && (
        <button type="button" className="button quiet icon" onClick={dismiss} aria-label="Dismiss">
          <Icon name="cross" size={14} />
        </button>
      )}
    </div>
  );
}

/** Coming back by itself would not help: the token is not accepted, or the server said so for good. */
export function StoppedNotice({
  reason,
  logout,
}: {
  readonly reason: string | undefined;
  readonly logout: () => void;
}) {
  return (
    <div className="cut-notice" role="alert" data-testid="stopped-notice">
      <span>The connection has stopped{reason === undefined ? "" : `: ${reason}`}.</span>
      <button type="button" className="button" onClick={logout}>
        Log in again
      </button>
    </div>
  );
}
