/**
 * Rung 4: a notification by the browser's push service, on every device of the user that has asked for it. The package
 * `web-push` signs (VAPID) and encrypts; the bytes go out by `guarded-request`, because a client chose where to.
 */
import { createHash } from "node:crypto";
import type * as webPushModule from "web-push";
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Channel, Notice } from "./channel.ts";
import type { Contacts, PushSubscription } from "./contacts.ts";
import { cutText } from "./cut-text.ts";
import { EgressRules } from "./egress-rules.ts";
import type { GuardedPost } from "./guarded-request.ts";
import { guardedPost } from "./guarded-request.ts";
import { requireTaken } from "./http-answer.ts";
import { NotTaken, speaksAgainstChannel } from "./not-taken.ts";
import { optionalPeer } from "./optional-peer.ts";
import { isKnownService } from "./push-services.ts";
import { contactOf } from "./user-contact.ts";
import type { VapidKeys } from "./vapid.ts";

export interface WebPushOptions extends VapidKeys {
  /** `mailto:` or an https URL: whom the push service turns to when something is wrong. */
  readonly subject: string;
  /** Push services that are not public; never other targets, because clients choose. As `RUNCAST_PUSH_ALLOW`. */
  readonly allow?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly journal?: Journal | undefined;
}

/** Who has not been reached in a day has got the e-mail. */
const timeToLiveSeconds = 86_400;
/** RFC 8030: at most 32 characters of base64url. */
const maxTopicChars = 32;
/** A message is one record of 4,096 bytes. */
const maxTitleChars = 100;
const maxTextChars = 300;
const maxUrlChars = 1_024;
/** More devices than a person has; the newest registered are the last. */
const maxSubscriptions = 20;
const goneStatuses: readonly number[] = [404, 410];

/** What the service worker of the page gets. The tag makes a repeated notice replace itself. */
function payloadOf({ id, title, text, url }: Notice): string {
  return JSON.stringify({
    id,
    tag: id,
    title: cutText(title, maxTitleChars),
    text: cutText(text, maxTextChars),
    ...(url !== undefined && url.length <= maxUrlChars && { url }),
  });
}

/** The same for the same notice: what the service still holds of it is replaced. */
const topicOf = ({ id }: Notice): string => createHash("sha256").update(id).digest("base64url").slice(0, maxTopicChars);

class WebPushChannel implements Channel {
  readonly name = "web-push";
  readonly rung = 4;
  private readonly options: WebPushOptions;
  private readonly webPush: Pick<typeof webPushModule, "generateRequestDetails">;
  private readonly rules: EgressRules;
  private readonly post: GuardedPost;

  constructor(options: WebPushOptions, webPush: Pick<typeof webPushModule, "generateRequestDetails">) {
    const { clock = systemClock, allow, timeoutMs } = options;
    this.options = options;
    this.webPush = webPush;
    this.rules = EgressRules.of(allow);
    this.post = guardedPost({ clock, rules: this.rules, timeoutMs });
  }

  readonly tell: Channel["tell"] = async (notice, signal, contacts) => {
    const subscriptions = (await contactOf(notice, contacts)).subscriptions.slice(-maxSubscriptions);
    const outcomes = await Promise.allSettled(
      subscriptions.map((subscription) => this.push(notice, signal, contacts, subscription)),
    );
    const failures: unknown[] = [];
    const hosts = new Set<string>();
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") failures.push(outcome.reason);
      else if (outcome.value !== undefined) hosts.add(outcome.value);
    }
    if (hosts.size > 0) return { kind: "told", by: [...hosts].join(", ") };
    if (failures.length === 0) return { kind: "absent" };
    throw failures.find(speaksAgainstChannel) ?? failures[0];
  };

  /** The host that took it, or undefined: the subscription is no more. */
  private async push(
    notice: Notice,
    signal: AbortSignal,
    contacts: Contacts,
    subscription: PushSubscription,
  ): Promise<string | undefined> {
    const request = this.requestOf(notice, subscription);
    const url = new URL(subscription.endpoint);
    try {
      const status = await this.post({ ...request, signal });
      if (goneStatuses.includes(status)) {
        await this.drop(notice, contacts, subscription);
        return undefined;
      }
      requireTaken("the push service", status);
      return url.host;
    } catch (cause) {
      if (!(cause instanceof NotTaken) || !speaksAgainstChannel(cause) || isKnownService(url, this.rules)) throw cause;
      throw new NotTaken("address", cause.message);
    }
  }

  private requestOf(notice: Notice, { endpoint, keys }: PushSubscription): Omit<Parameters<GuardedPost>[0], "signal"> {
    const { subject, publicKey, privateKey } = this.options;
    try {
      const { headers, body } = this.webPush.generateRequestDetails({ endpoint, keys }, payloadOf(notice), {
        vapidDetails: { subject, publicKey, privateKey },
        contentEncoding: "aes128gcm",
        TTL: timeToLiveSeconds,
        urgency: "high",
        topic: topicOf(notice),
      });
      const texts = Object.entries(headers).map(([name, value]) => [name, String(value)] as const);
      return { url: endpoint, headers: Object.fromEntries(texts), body };
    } catch {
      throw new NotTaken("address", "a push subscription is not one that a browser made");
    }
  }

  /** A subscription that stays is met again with the next notice: no reason to fail this one. */
  private async drop({ tenantId, userId }: Notice, contacts: Contacts, subscription: PushSubscription): Promise<void> {
    try {
      await contacts.drop(tenantId, userId, subscription);
    } catch (cause) {
      this.options.journal?.write("warn", "push.subscriptionKept", { cause });
    }
  }
}

/**
 * Makes the channel.
 *
 * Fails: `InvalidConfig` when the package `web-push` is not installed.
 */
export async function webPushChannel(options: WebPushOptions): Promise<Channel> {
  const { default: webPush } = await optionalPeer("web-push", "RUNCAST_VAPID_PUBLIC_KEY", () => import("web-push"));
  return new WebPushChannel(options, webPush);
}
