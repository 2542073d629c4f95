/**
 * The page's one connection: the client's reports into the run book and the link, and the user's wishes back to the
 * client. After `src/client`, which keeps the laws of delivery; before `workspace`, which shows the result.
 */
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { RunView } from "../../protocol/run-view.ts";
import type { Client } from "../client/client.ts";
import type { ClientStatus } from "../client/client-status.ts";
import { useRuncastClient } from "../client/react.ts";
import { demoUsers, historyReader } from "./history.ts";
import { isNewLog } from "./gap-notices.tsx";
import { foldOutage, type Link, type LinkPhase, type Outage } from "./link.ts";
import type { Identity } from "./login.tsx";
import { type BookPage, RunBook } from "./run-book.ts";

/** How long the button keeps the line cut: long enough to see that it is, and to miss something. */
const cutHoldMs = 3_000;

const phases: Readonly<Record<ClientStatus["state"], LinkPhase>> = {
  connecting: "connecting",
  live: "live",
  catchingUp: "catchingUp",
  waiting: "reconnecting",
  offline: "offline",
  stopped: "stopped",
};

export interface UserStream {
  readonly page: BookPage;
  readonly link: Link;
  readonly outage: Outage | undefined;
  /** What the server says of its breakers, while there is a connection. */
  readonly channels: Readonly<Record<string, string>>;
  readonly send: (text: string, threadId: string) => Promise<unknown>;
  readonly stop: (runId: string) => Promise<unknown>;
  readonly resolve: (approvalId: string, decision: "approve" | "deny") => Promise<unknown>;
  /** Reads the steps of a run that began before this tab came. */
  readonly openRun: (runId: string) => void;
  readonly cut: () => void;
  readonly dismissOutage: () => void;
  readonly dismissGaps: () => void;
}

/** The token that is kept, or a new one where the server hands them out. */
async function tokenFor(identity: Identity, stale: boolean): Promise<string | undefined> {
  if (!stale) return identity.token;
  const users = await demoUsers();
  const fresh = users?.find(({ userId }) => userId === identity.userId)?.token;
  return fresh === identity.token ? undefined : fresh;
}

function linkOf(status: ClientStatus, cutUntil: number, nowMs: number): Link {
  const { state, cursor, head = 0, retryInMs, lastError } = status;
  // A cut is the page's own doing: it knows when it ends.
  const isCut = state === "offline" && cutUntil > nowMs;
  const retryAt = isCut ? cutUntil : retryInMs === undefined ? undefined : nowMs + retryInMs;
  return {
    phase: isCut ? "reconnecting" : phases[state],
    offset: cursor?.offset ?? 0,
    head,
    ...(retryAt !== undefined && { retryAt }),
    ...(state === "stopped" && lastError !== undefined && { reason: lastError.message }),
  };
}

/** Feeds the book for as long as the client lives; the answer ends it. */
function feed(client: Client, book: RunBook): () => void {
  let begun: readonly RunView[] | undefined;
  const ends = [
    client.on("event", (event) => book.event(event)),
    client.on("run", ({ runId }) => book.touch(runId)),
    client.on("snapshot", (runs) => {
      begun = runs;
    }),
    client.on("gap", ({ from, upto, reason }) => {
      book.gap({ from, upto, reason });
      // Of a log that is no more, nothing that we hold is true; a snapshot of the new one follows.
      if (isNewLog({ from, upto, reason })) book.reset();
      else begun = client.runs();
    }),
    // Follows a snapshot or a gap at once, before any event: only now does the cursor say where the stream goes on.
    client.on("status", ({ cursor }) => {
      if (begun === undefined || cursor === undefined) return;
      book.begin(cursor.offset, begun);
      begun = undefined;
      void book.list();
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function useLink(client: Client, cutUntil: { readonly current: number }) {
  const [link, setLink] = useState<Link>(() => linkOf(client.status, 0, Date.now()));
  const [outage, setOutage] = useState<Outage>();
  const [channels, setChannels] = useState(client.status.channels);
  const before = useRef(link);
  useEffect(() => {
    const look = (status: ClientStatus) => {
      const nowMs = Date.now();
      const now = linkOf(status, cutUntil.current, nowMs);
      const previous = before.current;
      before.current = now;
      setLink(now);
      setChannels(status.channels);
      setOutage((known) => foldOutage(known, previous, now, nowMs));
    };
    // It may have moved since the first picture.
    look(client.status);
    return client.on("status", look);
  }, [client, cutUntil]);
  return { link, channels, outage, dismissOutage: useCallback(() => setOutage(undefined), []) };
}

/** The stream of one user, connected while the component is mounted. */
export function useStream(identity: Identity): UserStream {
  const cutUntil = useRef(0);
  const client = useRuncastClient({
    url: location.origin,
    token: ({ stale }) => tokenFor(identity, stale),
  });
  const book = useMemo(
    () =>
      new RunBook(
        historyReader(() => identity.token),
        (runId) => client.run(runId).view,
      ),
    [client, identity],
  );
  useEffect(() => feed(client, book), [client, book]);
  const page = useSyncExternalStore(book.subscribe, book.page);
  const { link, channels, outage, dismissOutage } = useLink(client, cutUntil);

  const acts = useMemo(
    () => ({
      send: (text: string, threadId: string) => client.send(text, { threadId }),
      stop: (runId: string) => client.cancel(runId),
      resolve: (approvalId: string, decision: "approve" | "deny") => client.resolveApproval(approvalId, decision),
      openRun: (runId: string) => book.open(runId),
      dismissGaps: () => book.dismissGaps(),
      cut: () => {
        cutUntil.current = Date.now() + cutHoldMs;
        client.cut(cutHoldMs);
      },
    }),
    [client, book],
  );
  return { ...acts, page, link, channels, outage, dismissOutage };
}
