/**
 * Rung 5: an e-mail through the operator's SMTP server. One connection for each mail, bounded in time; a mail that
 * is sent again has the same Message-ID, so that mailboxes which know it keep one.
 */
import { createHash } from "node:crypto";
import type { Transporter } from "nodemailer";
import { InvalidConfig } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/clock.ts";
import type { Channel, Notice } from "./channel.ts";
import { mailOf } from "./email-template.ts";
import { NotTaken } from "./not-taken.ts";
import { optionalPeer } from "./optional-peer.ts";
import type { MailAddress } from "./smtp-url.ts";
import { isMailAddress, mailFromShape, readMailFrom, readSmtpUrl, smtpUrlShape } from "./smtp-url.ts";
import { contactOf } from "./user-contact.ts";

export interface EmailOptions {
  /** `smtp://` or `smtps://`, as `RUNCAST_SMTP_URL`. */
  readonly url: string;
  /** As in `Runcast <runcast@example.com>`. */
  readonly from: string;
  /** From the call to the server's word that it has the mail. */
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

const defaultTimeoutMs = 20_000;
/** To be connected, and to be greeted. */
const phaseTimeoutMs = 5_000;
const silenceTimeoutMs = 10_000;

/** The same for the same notice. */
function messageIdOf({ id }: Notice, { address }: MailAddress): string {
  const local = /^[\w.-]{1,64}$/.test(id) ? id : createHash("sha256").update(id).digest("hex");
  return `<runcast.${local}@${address.slice(address.lastIndexOf("@") + 1)}>`;
}

/** Servers put addresses into what they answer: only codes are told. */
function failureOf(cause: unknown): NotTaken {
  const error = Object(cause);
  const status: unknown = Reflect.get(error, "responseCode");
  const command: unknown = Reflect.get(error, "command");
  const code: unknown = Reflect.get(error, "code");
  if (typeof status === "number") {
    if (command === "RCPT TO") return new NotTaken("address", `the mail server refused the recipient: ${status}`);
    const at = typeof command === "string" && /^[A-Z ]{1,16}$/.test(command) ? ` at ${command}` : "";
    return new NotTaken("answer", `the mail server answered ${status}${at}`);
  }
  const shown = typeof code === "string" && /^[A-Z_]{1,32}$/.test(code) ? code : "the connection failed";
  return new NotTaken("call", `no word from the mail server: ${shown}`);
}

interface EmailTerms extends Pick<EmailOptions, "timeoutMs" | "clock"> {
  readonly host: string;
  readonly from: MailAddress;
  readonly transporter: Transporter;
}

class EmailChannel implements Channel {
  readonly name = "email";
  readonly rung = 5;
  private readonly terms: EmailTerms;

  constructor(terms: EmailTerms) {
    this.terms = terms;
  }

  readonly tell: Channel["tell"] = async (notice, signal, contacts) => {
    const { email: address } = await contactOf(notice, contacts);
    if (address === undefined) return { kind: "absent" };
    if (!isMailAddress(address)) throw new NotTaken("address", "the e-mail address is none");
    await this.send(notice, address, signal);
    return { kind: "told", by: this.terms.host };
  };

  private async send(notice: Notice, address: string, signal: AbortSignal): Promise<void> {
    const { clock = systemClock, timeoutMs = defaultTimeoutMs, from, transporter } = this.terms;
    if (signal.aborted) throw new NotTaken("aborted", "given up before it was sent");
    const ending = new AbortController();
    let why: NotTaken | undefined;
    const giveUp = (failure: NotTaken): void => {
      why ??= failure;
      ending.abort();
    };
    const onAbort = (): void => giveUp(new NotTaken("aborted", "given up before the mail server had it"));
    const late = (): void => giveUp(new NotTaken("call", `the mail server did not take it within ${timeoutMs} ms`));
    const cancel = clock.after(timeoutMs, late);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await transporter.sendMail({
        ...mailOf(notice),
        from: { ...from },
        to: { name: "", address },
        envelope: { from: from.address, to: [address] },
        messageId: messageIdOf(notice, from),
        date: new Date(clock.now()),
        // No holiday note comes back for it (RFC 3834).
        headers: { "Auto-Submitted": "auto-generated" },
        signal: ending.signal,
      });
    } catch (cause) {
      throw why ?? failureOf(cause);
    } finally {
      cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }
}

/**
 * Makes the channel.
 *
 * Fails: `InvalidConfig` for a bad `url` or `from`, and when the package `nodemailer` is not installed.
 */
export async function emailChannel(options: EmailOptions): Promise<Channel> {
  const server = readSmtpUrl(options.url);
  if (server === undefined)
    throw new InvalidConfig({ setting: "url", message: `is not right; right is ${smtpUrlShape}` });
  const from = readMailFrom(options.from);
  if (from === undefined)
    throw new InvalidConfig({ setting: "from", message: `is not right; right is ${mailFromShape}` });
  const { createTransport } = await optionalPeer("nodemailer", "RUNCAST_SMTP_URL", () => import("nodemailer"));
  const { auth, ...plain } = server;
  const transporter = createTransport({
    ...plain,
    ...(auth !== undefined && { auth: { ...auth } }),
    connectionTimeout: phaseTimeoutMs,
    greetingTimeout: phaseTimeoutMs,
    dnsTimeout: phaseTimeoutMs,
    socketTimeout: silenceTimeoutMs,
    socketCloseTimeout: 0,
    // A mail is made of our own texts only.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return new EmailChannel({ ...options, from, host: server.host, transporter });
}
