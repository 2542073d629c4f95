/** Rung 5: one text message through an HTTP gateway of the operator's. */
import { InvalidConfig } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/clock.ts";
import type { Channel, Notice } from "./channel.ts";
import { cutText } from "./cut-text.ts";
import { EgressRules } from "./egress-rules.ts";
import { guardedPost } from "./guarded-request.ts";
import { requireTaken } from "./http-answer.ts";
import { httpUrlOf } from "./http-url.ts";
import { NotTaken } from "./not-taken.ts";
import { defaultSmsBody, readSmsBody, smsBodyShape } from "./sms-body.ts";
import { contactOf } from "./user-contact.ts";

export interface SmsOptions {
  readonly url: string;
  /** Sent as `Authorization: Bearer …`. */
  readonly token?: string | undefined;
  /** The sender that the gateway knows. */
  readonly from?: string | undefined;
  /** JSON with `{to}`, `{from}`, `{text}` and `{id}` in its texts. Default: an object of these four. */
  readonly body?: string | undefined;
  /** Hosts and networks that it may call although they are not public, or by http; as `RUNCAST_EGRESS_ALLOW`. */
  readonly allow?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

/** One message. */
const maxSmsChars = 160;
const phoneShape = /^\+[1-9]\d{6,14}$/;
/** "This number, or this message": the gateway itself is well. */
const addressStatuses = [400, 404, 422];

const textOf = ({ title, text }: Notice): string =>
  cutText(`${title}: ${text}`.replaceAll(/[\s\p{Cc}]+/gu, " ").trim(), maxSmsChars);

/** Makes the channel. Fails: `InvalidConfig`. */
export function smsChannel(options: SmsOptions): Channel {
  const { url, token, from = "", body: template = defaultSmsBody, allow, timeoutMs, clock = systemClock } = options;
  const body = readSmsBody(template);
  if (body === undefined)
    throw new InvalidConfig({ setting: "body", message: `is not right; right is ${smsBodyShape}` });
  const post = guardedPost({ clock, rules: EgressRules.of(allow), timeoutMs });
  const { host: by } = httpUrlOf(url);
  return {
    name: "sms",
    rung: 5,
    tell: async (notice, signal, contacts) => {
      const { phone: to } = await contactOf(notice, contacts);
      if (to === undefined) return { kind: "absent" };
      if (!phoneShape.test(to)) throw new NotTaken("address", "the phone number is not of the form +4915112345678");
      const { id } = notice;
      const headers = {
        "content-type": "application/json",
        "idempotency-key": id,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      };
      const filled = body.fill({ to, from, text: textOf(notice), id });
      requireTaken("the SMS gateway", await post({ url, headers, body: filled, signal }), addressStatuses);
      return { kind: "told", by };
    },
  };
}
