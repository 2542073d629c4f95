/** What a browser knows of the network and of who is looking; in Node there is nothing to hear. */
import type { Unsubscribe } from "./listeners.ts";

export interface PageSignals {
  readonly online: () => void;
  readonly offline: () => void;
  readonly visible: () => void;
  /** The last moment at which a page can be sure to say something. */
  readonly hidden: () => void;
}

/** Listens until the answer is called. */
export function watchPage(signals: PageSignals): Unsubscribe {
  // Node has neither a `window` nor these events, and a worker has no `document`.
  const scope = typeof globalThis.addEventListener === "function" ? globalThis : undefined;
  const page = typeof document === "undefined" ? undefined : document;
  const look = (): void => (page?.visibilityState === "hidden" ? signals.hidden() : signals.visible());
  scope?.addEventListener("online", signals.online);
  scope?.addEventListener("offline", signals.offline);
  page?.addEventListener("visibilitychange", look);
  return () => {
    scope?.removeEventListener("online", signals.online);
    scope?.removeEventListener("offline", signals.offline);
    page?.removeEventListener("visibilitychange", look);
  };
}
