/**
 * `runcast/push`: Web Push from the browser's side: subscribes with the server's key and registers that with the server, so that this
 * user is told of critical events on this browser also while no page is open. The page brings the service worker.
 */
import type { PushKeyAnswer } from "../../protocol/contacts.ts";
import { httpUrl } from "./endpoint.ts";

export interface PushTerms {
  /** As for `connect`. */
  readonly url: string;
  /** Of the user who is to be told. */
  readonly token: string;
}

const subscriptionsPath = "/v1/push/subscriptions";

/**
 * Has this user told on this browser. Call it from a click: the browser asks for permission. False: the server tells
 * nobody by Web Push.
 *
 * `Fails` DOMException: the user or the browser does not allow it; Error: the server refused.
 */
export async function subscribeToPush({ pushManager }: ServiceWorkerRegistration, terms: PushTerms): Promise<boolean> {
  const answer = await fetch(httpUrl(terms.url, "/v1/push/key"));
  if (answer.status === 404) return false;
  const { publicKey } = (await taken(answer)) as PushKeyAnswer;
  const before = await pushManager.getSubscription();
  // One that was made with another key is of no use to this server.
  if (before !== null && keyOf(before) !== publicKey.replace(/=+$/, "")) await before.unsubscribe();
  const subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey });
  await post(terms, subscriptionsPath, subscription.toJSON());
  return true;
}

/** Has nobody told on this browser any more. `Fails` Error: the server refused; the browser has forgotten it all the same. */
export async function unsubscribeFromPush({ pushManager }: ServiceWorkerRegistration, terms: PushTerms): Promise<void> {
  const subscription = await pushManager.getSubscription();
  if (subscription === null) return;
  await subscription.unsubscribe();
  await post(terms, `${subscriptionsPath}/remove`, { endpoint: subscription.endpoint });
}

async function post({ url, token }: PushTerms, path: string, body: object): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  await taken(await fetch(httpUrl(url, path), { method: "POST", headers, body: JSON.stringify(body) }));
}

async function taken(answer: Response): Promise<unknown> {
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return answer.json();
}

function keyOf({ options }: PushSubscription): string {
  const bytes = new Uint8Array(options.applicationServerKey ?? new ArrayBuffer(0));
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
