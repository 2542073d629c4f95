/**
 * Who looks at what, kept where a reload and a second tab find it: user and thread in the address, the token in the
 * tab's own storage. The address never holds the token.
 */
import { useCallback, useEffect, useState } from "react";
import type { Identity } from "./login.tsx";
import { demoUsers } from "./history.ts";

export interface Place {
  readonly user?: string;
  readonly thread?: string;
}

const storageKey = "runcast.identity";

/** `#user=alice&thread=t1` */
export function parsePlace(hash: string): Place {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const user = fields.get("user");
  const thread = fields.get("thread");
  return { ...(user && { user }), ...(thread && { thread }) };
}

export function placeHash({ user, thread }: Place): string {
  const fields = new URLSearchParams();
  if (user !== undefined) fields.set("user", user);
  if (thread !== undefined) fields.set("thread", thread);
  return `#${fields}`;
}

export const newThreadId = (): string => `t-${crypto.randomUUID().slice(0, 13)}`;

function storedIdentity(): Identity | undefined {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(storageKey) ?? "null");
    if (typeof value !== "object" || value === null) return undefined;
    const { userId, name, token } = value as Partial<Record<keyof Identity, unknown>>;
    if (typeof userId !== "string" || typeof name !== "string" || typeof token !== "string") return undefined;
    return { userId, name, token };
  } catch {
    return undefined;
  }
}

export interface Session {
  /** `restoring`: the address names a user whose token is being asked for. */
  readonly state: "restoring" | "anonymous" | Identity;
  readonly threadId: string;
  readonly login: (identity: Identity) => void;
  readonly logout: () => void;
  readonly openThread: (threadId: string) => void;
}

/** The session of this tab. */
export function useSession(): Session {
  const [place, setPlace] = useState(() => parsePlace(location.hash));
  const [state, setState] = useState<Session["state"]>(() => {
    const stored = storedIdentity();
    if (stored !== undefined && (place.user === undefined || place.user === stored.userId)) return stored;
    return place.user === undefined ? "anonymous" : "restoring";
  });
  const [threadId] = useState(newThreadId);

  const go = useCallback((to: Place, replace: boolean) => {
    const hash = placeHash(to);
    if (replace) history.replaceState(null, "", hash);
    else history.pushState(null, "", hash);
    setPlace(to);
  }, []);

  const login = useCallback(
    (identity: Identity) => {
      sessionStorage.setItem(
        storageKey,
        JSON.stringify({ userId: identity.userId, name: identity.name, token: identity.token }),
      );
      setState({ userId: identity.userId, name: identity.name, token: identity.token });
      go({ user: identity.userId, thread: parsePlace(location.hash).thread ?? newThreadId() }, true);
    },
    [go],
  );

  useEffect(() => {
    if (state !== "restoring") return;
    let gone = false;
    void demoUsers().then((users) => {
      if (gone) return;
      const known = users?.find(({ userId }) => userId === place.user);
      if (known === undefined) setState("anonymous");
      else login(known);
    });
    return () => {
      gone = true;
    };
  }, [state, place.user, login]);

  useEffect(() => {
    const follow = () => setPlace(parsePlace(location.hash));
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }, []);

  const userId = typeof state === "object" ? state.userId : undefined;
  // The place is always in the address, so that a reload at any moment returns to it.
  useEffect(() => {
    if (userId !== undefined && place.thread === undefined) go({ user: userId, thread: threadId }, true);
  }, [userId, place.thread, threadId, go]);

  return {
    state,
    threadId: place.thread ?? threadId,
    login,
    logout: useCallback(() => {
      sessionStorage.removeItem(storageKey);
      setState("anonymous");
      go({}, false);
    }, [go]),
    openThread: useCallback(
      (thread: string) => go({ ...(userId !== undefined && { user: userId }), thread }, false),
      [go, userId],
    ),
  };
}
