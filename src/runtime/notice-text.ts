/**
 * What a person is told of a critical event: a line, a sentence or two, and where to look. Made of the event's type and
 * place only, so no payload leaves through a channel.
 */
import { streamOwner } from "../../protocol/ids.ts";
import type { Notice } from "../fallback/channel.ts";
import type { OutboxRow } from "../log/outbox.ts";

interface Words {
  readonly title: string;
  readonly text: string;
}

const words: Readonly<Record<string, Words>> = {
  agent_completed: { title: "Your agent has finished", text: "Its answer is there. Open it whenever you like." },
  agent_failed: {
    title: "Your agent could not finish",
    text: "Something went wrong on the way. Open it to see how far it came.",
  },
  agent_cancelled: { title: "Your agent was stopped", text: "It ended before it was done, because it was cancelled." },
  agent_interrupted: {
    title: "Your agent was interrupted",
    text: "It ended before it was done. Open it to see how far it came.",
  },
  agent_suspended: {
    title: "Your agent waits for your decision",
    text: "It needs your approval to go on, and does nothing until you answer.",
  },
};
const otherWords: Words = {
  title: "There is news for you",
  text: "Something important has come in. Open it to read it.",
};

export function noticeOf(row: OutboxRow, publicUrl: string | undefined): Notice {
  const { eventId, type, offset, runId, threadId, time } = row;
  return {
    ...{ id: eventId, ...streamOwner(row.stream), eventType: type, offset, runId, threadId, time },
    ...(words[type] ?? otherWords),
    url: publicUrl === undefined ? undefined : linkTo(publicUrl, row),
  };
}

/** A run without a thread is its own: so the page has it. */
function linkTo(publicUrl: string, { runId, threadId = runId }: OutboxRow): string {
  const filled = publicUrl
    .replaceAll("{runId}", encodeURIComponent(runId ?? ""))
    .replaceAll("{threadId}", encodeURIComponent(threadId ?? ""));
  return filled !== publicUrl || threadId === undefined || publicUrl.includes("#")
    ? filled
    : `${publicUrl}#thread=${encodeURIComponent(threadId)}`;
}
