/**
 * The settings of rungs 4 to 6, read and checked as `config` does the others. Whatever may hold a secret is never shown,
 * URLs included. `from-config` makes channels and sinks of what comes out here.
 */
import * as Effect from "effect/Effect";
import type { Setting } from "../config-values.ts";
import { plainText, wrong } from "../config-values.ts";
import { InvalidConfig } from "../errors.ts";
import type { AlertTarget } from "./alert-url.ts";
import { alertUrlShape, readAlertUrls } from "./alert-url.ts";
import { EgressRules, egressShape } from "./egress-rules.ts";
import { readHttpUrl } from "./http-url.ts";
import { defaultSmsBody, readSmsBody, smsBodyShape } from "./sms-body.ts";
import type { SmsOptions } from "./sms.ts";
import { mailFromShape, readMailFrom, readSmtpUrl, smtpUrlShape } from "./smtp-url.ts";
import type { EmailOptions } from "./email.ts";
import { areVapidKeys } from "./vapid.ts";
import type { WebPushOptions } from "./web-push.ts";
import { minWebhookSecretBytes, secretBytes } from "./webhook-signature.ts";
import type { WebhookOptions } from "./webhook.ts";

const httpUrlShape = "an https:// URL without user and password; http:// if RUNCAST_EGRESS_ALLOW names where it leads";

export const channelSettings = {
  egressAllow: { env: "RUNCAST_EGRESS_ALLOW", default: "", right: egressShape },
  vapidSubject: {
    env: "RUNCAST_VAPID_SUBJECT",
    default: "",
    right: "mailto:<address> or an https:// URL, where push services may turn to",
  },
  vapidPublicKey: { env: "RUNCAST_VAPID_PUBLIC_KEY", default: "", right: "as `runcast vapid` prints it" },
  vapidPrivateKey: {
    env: "RUNCAST_VAPID_PRIVATE_KEY",
    default: "",
    right: "as `runcast vapid` prints it, of one pair with RUNCAST_VAPID_PUBLIC_KEY",
    secret: true,
  },
  pushAllow: { env: "RUNCAST_PUSH_ALLOW", default: "", right: egressShape },
  webhookUrl: { env: "RUNCAST_WEBHOOK_URL", default: "", right: httpUrlShape, secret: true },
  webhookSecret: {
    env: "RUNCAST_WEBHOOK_SECRET",
    default: "",
    right: `at least ${minWebhookSecretBytes} bytes; several, separated by commas, while they are rotated`,
    secret: true,
  },
  smtpUrl: { env: "RUNCAST_SMTP_URL", default: "", right: smtpUrlShape, secret: true },
  mailFrom: { env: "RUNCAST_MAIL_FROM", default: "", right: mailFromShape },
  smsUrl: { env: "RUNCAST_SMS_URL", default: "", right: httpUrlShape, secret: true },
  smsToken: { env: "RUNCAST_SMS_TOKEN", default: "", right: "text without spaces", secret: true },
  smsFrom: { env: "RUNCAST_SMS_FROM", default: "", right: "text without spaces" },
  smsBody: { env: "RUNCAST_SMS_BODY", default: defaultSmsBody, right: smsBodyShape },
  alertUrl: { env: "RUNCAST_ALERT_URL", default: "", right: alertUrlShape, secret: true },
} as const satisfies Record<string, Setting>;

type Name = keyof typeof channelSettings;
type Given = (name: Name) => { readonly text: string; readonly called: string };
type Made = "allow" | "timeoutMs" | "clock" | "journal";

/** What is configured; a channel that is not, is undefined. */
export interface ChannelConfig {
  readonly egressAllow: string;
  readonly pushAllow: string;
  readonly webPush: Omit<WebPushOptions, Made> | undefined;
  readonly webhook: Omit<WebhookOptions, Made> | undefined;
  readonly email: Omit<EmailOptions, Made> | undefined;
  readonly sms: Omit<SmsOptions, Made> | undefined;
  readonly alerts: readonly AlertTarget[];
}

function readSubject(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol } = new URL(text);
  return protocol === "mailto:" || protocol === "https:" ? text : undefined;
}

function readSecrets(text: string): readonly string[] | undefined {
  const secrets = text.split(",").map((secret) => secret.trim());
  return secrets.every((secret) => secretBytes(secret).length >= minWebhookSecretBytes) ? secrets : undefined;
}

/**
 * Reads and checks the settings of the channels.
 *
 * Fails: `InvalidConfig` for one that is wrong, and for one that lacks what belongs to it.
 */
export const readChannels = Effect.fnUntraced(function* (given: Given) {
  const isSet = (name: Name): boolean => given(name).text !== "";
  const read = <Value>(name: Name, reader: (text: string) => Value | undefined) => {
    const { text, called } = given(name);
    const value = reader(text);
    return value === undefined ? Effect.fail(wrong(channelSettings[name], called, text)) : Effect.succeed(value);
  };
  /** The text itself, if the reader understands it. */
  const readAs = (name: Name, reader: (text: string) => object | undefined) =>
    Effect.as(read(name, reader), given(name).text);
  /** Whether a channel is wanted: all that it needs is there, or none of it. */
  const isWanted = Effect.fnUntraced(function* (...needs: readonly Name[]) {
    const [set] = needs.filter(isSet);
    const missing = needs.filter((name) => !isSet(name)).map((name) => channelSettings[name].env);
    if (set === undefined || missing.length === 0) return set !== undefined;
    const message = `is set, and ${missing.join(" and ")} ${missing.length > 1 ? "are" : "is"} not: they belong together`;
    return yield* new InvalidConfig({ setting: given(set).called, message });
  });
  const pair = (publicKey: string) => (privateKey: string) =>
    areVapidKeys({ publicKey, privateKey }) ? privateKey : undefined;

  let webPush: ChannelConfig["webPush"];
  if (yield* isWanted("vapidSubject", "vapidPublicKey", "vapidPrivateKey")) {
    const publicKey = yield* read("vapidPublicKey", plainText);
    const privateKey = yield* read("vapidPrivateKey", pair(publicKey));
    webPush = { subject: yield* read("vapidSubject", readSubject), publicKey, privateKey };
  }
  let webhook: ChannelConfig["webhook"];
  if (yield* isWanted("webhookUrl", "webhookSecret"))
    webhook = { url: yield* readAs("webhookUrl", readHttpUrl), secrets: yield* read("webhookSecret", readSecrets) };
  let email: ChannelConfig["email"];
  if (yield* isWanted("smtpUrl", "mailFrom"))
    email = { url: yield* readAs("smtpUrl", readSmtpUrl), from: yield* readAs("mailFrom", readMailFrom) };
  let sms: ChannelConfig["sms"];
  const body = yield* read("smsBody", readSmsBody);
  // The sender is needed where the body has a place for it.
  if (isSet("smsUrl") && (yield* isWanted("smsUrl", ...(body.usesFrom ? (["smsFrom"] as const) : []))))
    sms = {
      url: yield* readAs("smsUrl", readHttpUrl),
      token: isSet("smsToken") ? yield* read("smsToken", plainText) : undefined,
      from: isSet("smsFrom") ? yield* read("smsFrom", plainText) : undefined,
      body: given("smsBody").text,
    };
  const config: ChannelConfig = {
    egressAllow: yield* readAs("egressAllow", (text) => EgressRules.read(text)),
    pushAllow: yield* readAs("pushAllow", (text) => EgressRules.read(text)),
    webPush,
    webhook,
    email,
    sms,
    alerts: yield* read("alertUrl", readAlertUrls),
  };
  return config;
});
