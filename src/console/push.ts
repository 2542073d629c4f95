/**
 * Web Push on this page: whether the server and the browser have it, and on and off for the user who is logged in. The
 * server writes its key into the page, so that nothing is asked where there is none.
 */
import { useCallback, useEffect, useState } from "react";
import { subscribeToPush, unsubscribeFromPush } from "../client/push.ts";
import type { Identity } from "./login.tsx";
import { parsePlace } from "./session.ts";

export type PushState = "off" | "on" | "busy" | "denied";

const workerFile = "/sw.js";
/** Which user of this browser is told; the subscription itself does not say. */
const storageKey = "runcast.push";

export const hasPush = (): boolean =>
  document.querySelector('meta[name="runcast-push-key"]') !== null &&
  "serviceWorker" in navigator &&
  "PushManager" in globalThis &&
  "Notification" in globalThis;

const terms = ({ token }: Identity) => ({ url: location.origin, token });

/** The state of the switch, and what it does. */
export function usePush(identity: Identity): { readonly state: PushState; readonly toggle: () => void } {
  const [state, setState] = useState<PushState>(() => {
    if (Notification.permission === "denied") return "denied";
    return localStorage.getItem(storageKey) === identity.userId ? "on" : "off";
  });

  const turn = useCallback(
    async (isOn: boolean): Promise<void> => {
      setState("busy");
      try {
        const registration = await navigator.serviceWorker.register(workerFile);
        if (isOn) await unsubscribeFromPush(registration, terms(identity));
        else {
          await navigator.serviceWorker.ready;
          await subscribeToPush(registration, terms(identity));
        }
        if (isOn) localStorage.removeItem(storageKey);
        else localStorage.setItem(storageKey, identity.userId);
        setState(isOn ? "off" : "on");
      } catch {
        setState(Notification.permission === "denied" ? "denied" : isOn ? "on" : "off");
      }
    },
    [identity],
  );
  return { state, toggle: useCallback(() => void turn(state === "on"), [turn, state]) };
}

/** Who logs out is not told on this browser any more. */
export async function leavePush(identity: Identity): Promise<void> {
  if (localStorage.getItem(storageKey) !== identity.userId) return;
  localStorage.removeItem(storageKey);
  const registration = await navigator.serviceWorker.getRegistration();
  // The server learns of it at the latest when the push service says that there is no such subscription.
  if (registration !== undefined) await unsubscribeFromPush(registration, terms(identity)).catch(() => {});
}

/** Goes where a notification leads that was clicked while this page was open. */
export function usePushedPlace(openThread: (threadId: string) => void): void {
  useEffect(() => {
    if (!("serviceWorker" in navigator)) return;
    const hear = ({ data }: MessageEvent<{ readonly type?: unknown; readonly hash?: unknown }>): void => {
      if (data.type !== "open" || typeof data.hash !== "string") return;
      const { thread } = parsePlace(data.hash);
      if (thread !== undefined) openThread(thread);
    };
    navigator.serviceWorker.addEventListener("message", hear);
    return () => navigator.serviceWorker.removeEventListener("message", hear);
  }, [openThread]);
}
