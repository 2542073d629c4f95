/**
 * Channels and alert sinks of the settings, for the server. What is not configured is not made, and its package is not
 * loaded.
 */
import * as Effect from "effect/Effect";
import { InvalidConfig } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { AlertSink } from "../telemetry/alerts.ts";
import type { Journal } from "../telemetry/journal.ts";
import { alertmanagerSink } from "./alertmanager.ts";
import type { Channel } from "./channel.ts";
import type { ChannelConfig } from "./channel-settings.ts";
import { emailChannel } from "./email.ts";
import { slackSink } from "./slack.ts";
import { smsChannel } from "./sms.ts";
import { webPushChannel } from "./web-push.ts";
import { webhookChannel } from "./webhook.ts";

export interface Outlets {
  readonly channels: readonly Channel[];
  readonly alertSinks: readonly AlertSink[];
}

/**
 * Makes what is configured, in the order of the rungs.
 *
 * Fails: `InvalidConfig` when a package that a channel needs is not installed.
 */
export function outletsOf(
  config: ChannelConfig,
  clock: Clock,
  journal: Journal,
): Effect.Effect<Outlets, InvalidConfig> {
  const { egressAllow: allow, pushAllow, webPush, webhook, email, sms } = config;
  const made = async (): Promise<Outlets> => {
    const channels: Channel[] = [];
    if (webPush !== undefined) channels.push(await webPushChannel({ ...webPush, allow: pushAllow, clock, journal }));
    if (webhook !== undefined) channels.push(webhookChannel({ ...webhook, allow, clock }));
    if (email !== undefined) channels.push(await emailChannel({ ...email, clock }));
    if (sms !== undefined) channels.push(smsChannel({ ...sms, allow, clock }));
    return { channels, alertSinks: sinksOf(config, clock) };
  };
  return Effect.tryPromise({ try: made, catch: (cause) => cause }).pipe(
    Effect.catch((cause) => (cause instanceof InvalidConfig ? Effect.fail(cause) : Effect.die(cause))),
  );
}

/** The second of a shape has a name of its own: what waits for one is not told to the other. */
function sinksOf({ alerts, egressAllow: allow }: ChannelConfig, clock: Clock): AlertSink[] {
  const counts = { alertmanager: 0, slack: 0 };
  return alerts.map(({ shape, url }) => {
    counts[shape] += 1;
    const name = counts[shape] === 1 ? shape : `${shape}-${counts[shape]}`;
    const options = { url, allow, clock, name };
    return shape === "slack" ? slackSink(options) : alertmanagerSink(options);
  });
}
