/** What a browser knows of the network and of who is looking; in Node there is nothing to hear. */
import type { Unsubscribe } from "./listeners.ts";

export interface PageSignals {
  readonly online: () => void;
  readonly offline: () => void;
  readonly visible: () => void;
  /** The last moment at which a page can be sure to say something. */
  readonly hidden: () => void;
}

/** The part of a page that is used. A worker has no document, and Node neither that nor the events. */
export interface PageScope extends Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">> {
  readonly document?: Pick<Document, "visibilityState" | "addEventListener" | "removeEventListener"> | undefined;
}

/** Listens until the answer is called. */
export function watchPage(signals: PageSignals, scope: PageScope = globalThis): Unsubscribe {
  const { document: page } = scope;
  const look = (): void => (page?.visibilityState === "hidden" ? signals.hidden() : signals.visible());
  scope.addEventListener?.("online", signals.online);
  scope.addEventListener?.("offline", signals.offline);
  page?.addEventListener("visibilitychange", look);
  return () => {
    scope.removeEventListener?.("online", signals.online);
    scope.removeEventListener?.("offline", signals.offline);
    page?.removeEventListener("visibilitychange", look);
  };
}
