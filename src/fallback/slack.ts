/** Rung 6: alerts in the shape of Slack's incoming webhooks; Mattermost and others take the same. */
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/clock.ts";
import type { AlertSink, ToldAlert } from "../telemetry/alerts.ts";
import { cutText } from "./cut-text.ts";
import { EgressRules } from "./egress-rules.ts";
import { guardedPost } from "./guarded-request.ts";
import { requireTaken } from "./http-answer.ts";
import { httpUrlOf } from "./http-url.ts";

export interface SlackOptions {
  /** The whole URL is the secret: whoever has it may post. */
  readonly url: string;
  /** What has not been taken waits under it; two sinks have two. Default `slack`. */
  readonly name?: string | undefined;
  /** Hosts and networks that it may call although they are not public, or by http; as `RUNCAST_EGRESS_ALLOW`. */
  readonly allow?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

/** Slack takes 50 blocks, and 3,000 characters in one. */
const maxAlerts = 20;
const maxSummaryChars = 1_000;
const maxLabelsChars = 1_000;

/** The three that mean something to Slack. */
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const icon = ({ state, severity }: ToldAlert): string => {
  if (state === "resolved") return ":white_check_mark:";
  return severity === "critical" ? ":rotating_light:" : ":warning:";
};
const stateOf = ({ state, severity }: ToldAlert): string => (state === "resolved" ? "resolved" : severity);

function blocksOf(alert: ToldAlert): readonly object[] {
  const { name, summary, labels = {}, startedAt, endedAt, state } = alert;
  const shown = Object.entries(labels).map(([key, value]) => `${key}: ${value}`);
  const times = state === "resolved" && endedAt !== undefined ? `${startedAt} to ${endedAt}` : `since ${startedAt}`;
  const facts = cutText([...shown, times].join(" · "), maxLabelsChars);
  const text = `${icon(alert)} *${escaped(name)}* (${stateOf(alert)})\n${escaped(cutText(summary, maxSummaryChars))}`;
  return [
    { type: "section", text: { type: "mrkdwn", text } },
    { type: "context", elements: [{ type: "plain_text", text: facts, emoji: false }] },
  ];
}

function bodyOf(alerts: readonly ToldAlert[]): object {
  const shown = alerts.slice(0, maxAlerts);
  const more = alerts.length - shown.length;
  const rest = more === 0 ? [] : [{ type: "section", text: { type: "plain_text", text: `and ${more} more` } }];
  const lines = shown.map((alert) => `${alert.name} (${stateOf(alert)}): ${cutText(alert.summary, maxSummaryChars)}`);
  return {
    // What a phone shows of it.
    text: escaped(`Runcast: ${lines.join(" | ")}`),
    blocks: [...shown.flatMap(blocksOf), ...rest],
  };
}

/** Makes the sink. Fails: `InvalidConfig`. */
export function slackSink(options: SlackOptions): AlertSink {
  const { url, allow, timeoutMs, clock = systemClock } = options;
  httpUrlOf(url);
  const post = guardedPost({ clock, rules: EgressRules.of(allow), timeoutMs });
  const headers = { "content-type": "application/json" };
  return {
    name: options.name ?? "slack",
    send: async (alerts, signal) => {
      if (alerts.length === 0) return;
      const body = JSON.stringify(bodyOf(alerts));
      requireTaken("Slack", await post({ url, headers, body, signal }));
    },
  };
}
