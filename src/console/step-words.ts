/** Events of a run in a few words, for the lines of `timeline`. */
import type { RunEvent } from "../../protocol/event.ts";

const interruptions = {
  lease_expired: "its runner fell silent",
  deadline: "it took too long",
  shutdown: "the server shut down",
} as const;

const approvals = (count: number) => (count === 1 ? "an approval" : `${count} approvals`);

/** What happened beside thinking, tools and text; undefined: nothing to show. */
export function noteWords(event: RunEvent): string | undefined {
  switch (event.type) {
    case "agent_suspended":
      return `Waits for ${event.data.approvals?.length ? approvals(event.data.approvals.length) : event.data.reason}`;
    case "agent_resumed":
      return "Goes on";
    case "approval_resolved":
      // Nobody did it: the time to answer was over.
      if (event.data.by === "expiry") return "Denied: nobody answered in time";
      return `${event.data.decision === "approve" ? "Approved" : "Denied"}${event.data.by ? ` by ${event.data.by}` : ""}`;
    case "cancel_requested":
      return `Stop requested${event.data.by ? ` by ${event.data.by}` : ""}`;
    case "cancel_refused":
      return `Stop refused${event.data.reason ? `: ${event.data.reason}` : ""}`;
    case "agent_handoff":
      return `Handed over from ${event.data.from} to ${event.data.to}`;
    case "agent_progress":
      return event.data.message ?? (event.data.percent === undefined ? undefined : `${event.data.percent} %`);
    default:
      return undefined;
  }
}

/** How the run ended; undefined: this event does not end it. */
export function endWords(event: RunEvent): string | undefined {
  switch (event.type) {
    case "agent_completed":
      return "Completed";
    case "agent_failed":
      return `Failed: ${event.data.error.message}`;
    case "agent_cancelled":
      return `Cancelled${event.data.by ? ` by ${event.data.by}` : ""}${event.data.reason ? `: ${event.data.reason}` : ""}`;
    case "agent_interrupted":
      return `Interrupted: ${interruptions[event.data.reason]}`;
    default:
      return undefined;
  }
}
