/**
 * The page's service worker, served as `/sw.js`: shows what the server pushes while no page is looked at, and opens the
 * page at the run when it is clicked. It caches nothing and takes no request: the page is the server's alone.
 */
declare const self: ServiceWorkerGlobalScope;

interface Shown {
  readonly title: string;
  readonly text?: string;
  /** The same for every try: a notice that comes again replaces itself. */
  readonly tag?: string;
  readonly url?: string;
}

/** For a push that is none of ours: browsers want something to be shown for each. */
const unreadable: Shown = { title: "There is news for you" };

function shownOf(data: PushMessageData | null): Shown {
  try {
    const value: Partial<Record<keyof Shown, unknown>> = data?.json() ?? {};
    const { title, text, tag, url } = value;
    if (typeof title !== "string") return unreadable;
    return {
      title,
      ...(typeof text === "string" && { text }),
      ...(typeof tag === "string" && { tag }),
      ...(typeof url === "string" && { url }),
    };
  } catch {
    return unreadable;
  }
}

async function show({ title, text = "", tag = "", url }: Shown): Promise<void> {
  await self.registration.showNotification(title, { body: text, tag, data: url });
}

/** A page of ours that is open comes to the front, at the run; else one is opened. */
async function open(url: string): Promise<void> {
  const target = new URL(url, self.location.origin);
  const isOurs = target.origin === self.location.origin;
  const pages = isOurs ? await self.clients.matchAll({ type: "window", includeUncontrolled: true }) : [];
  const page = pages.find(({ url: at }) => new URL(at).pathname === target.pathname);
  if (page === undefined) {
    await self.clients.openWindow(target.href);
    return;
  }
  // It goes there by itself: who is logged in, and what was typed, stays.
  page.postMessage({ type: "open", hash: target.hash });
  await page.focus();
}

self.addEventListener("install", () => void self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(show(shownOf(event.data))));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { data } = event.notification as { readonly data: unknown };
  event.waitUntil(open(typeof data === "string" ? data : "/"));
});
export {};
