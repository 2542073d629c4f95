/**
 * `runcast/channels`: our own channels and alert sinks, for who embeds Runcast and configures them in code. The server
 * makes them of its settings.
 */
export { alertmanagerSink } from "./alertmanager.ts";
export type { AlertmanagerOptions } from "./alertmanager.ts";
export type { Channel, ChannelName, Notice, Told } from "./channel.ts";
export type { Contact, Contacts, PushSubscription } from "./contacts.ts";
export { emailChannel } from "./email.ts";
export type { EmailOptions } from "./email.ts";
export { NotTaken } from "./not-taken.ts";
export type { NotTakenReason } from "./not-taken.ts";
export { slackSink } from "./slack.ts";
export type { SlackOptions } from "./slack.ts";
export { smsChannel } from "./sms.ts";
export type { SmsOptions } from "./sms.ts";
export { newVapidKeys } from "./vapid.ts";
export type { VapidKeys } from "./vapid.ts";
export { webPushChannel } from "./web-push.ts";
export type { WebPushOptions } from "./web-push.ts";
export { webhookChannel } from "./webhook.ts";
export type { WebhookOptions } from "./webhook.ts";
