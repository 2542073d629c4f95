/**
 * The push services of the browsers. Whose failures count against the channel, and whose do not: a client names the
 * service when it subscribes, and one that names a bad server of its own must not silence push for everybody.
 */
import type { EgressRules } from "./egress-rules.ts";
import { hostOf } from "./egress-rules.ts";

const knownHosts: readonly string[] = ["fcm.googleapis.com", "updates.push.services.mozilla.com", "web.push.apple.com"];
/** Each has many hosts. */
const knownDomains: readonly string[] = [".push.services.mozilla.com", ".push.apple.com", ".notify.windows.com"];

/** Whether it is one of the browsers', or named by the operator. */
export function isKnownService(url: URL, rules: EgressRules): boolean {
  const host = hostOf(url);
  return knownHosts.includes(host) || knownDomains.some((domain) => host.endsWith(domain)) || rules.names(url);
}
