/** A real SMTP server on loopback with a mailbox behind it; a test may make it refuse, hang or hang up. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { ParsedMail } from "mailparser";
import { simpleParser } from "mailparser";
import type { SMTPServerOptions, SMTPServerSession } from "smtp-server";
import { SMTPServer } from "smtp-server";

export interface ReceivedMail {
  readonly parsed: ParsedMail;
  readonly raw: string;
  readonly from: string | undefined;
  readonly to: readonly string[];
  readonly isSecure: boolean;
  readonly user: string | undefined;
}

/** An answer of the server's own, as in `refusal(550, "no such user")`. */
export const refusal = (responseCode: number, message: string): Error =>
  Object.assign(new Error(message), { responseCode });

function envelopeOf({ envelope, secure, user }: SMTPServerSession) {
  return {
    from: envelope.mailFrom === false ? undefined : envelope.mailFrom.address,
    to: envelope.rcptTo.map(({ address }) => address),
    isSecure: secure,
    user: user as string | undefined,
  };
}

export class MailServer {
  readonly mails: ReceivedMail[] = [];
  private readonly server: SMTPServer;

  private constructor(options: SMTPServerOptions) {
    this.server = new SMTPServer({
      authOptional: true,
      disableReverseLookup: true,
      closeTimeout: 1,
      disabledCommands: ["STARTTLS"],
      onData: (stream, session, answer) => {
        const chunks: Buffer[] = [];
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("end", () => {
          const raw = Buffer.concat(chunks);
          void simpleParser(raw).then((parsed) => {
            this.mails.push({ parsed, raw: raw.toString("latin1"), ...envelopeOf(session) });
            answer();
          }, answer);
        });
      },
      ...options,
    });
    // A client that hangs up, or does not trust our certificate, is what some tests are about.
    this.server.on("error", () => {});
  }

  static async open(options: SMTPServerOptions = {}): Promise<MailServer> {
    const mail = new MailServer(options);
    mail.server.listen(0, "127.0.0.1");
    await once(mail.server.server, "listening");
    return mail;
  }

  get port(): number {
    return (this.server.server.address() as AddressInfo).port;
  }

  url(login = "", scheme = "smtp"): string {
    return `${scheme}://${login}127.0.0.1:${this.port}`;
  }

  get connections(): number {
    return this.server.connections.size;
  }

  get last(): ReceivedMail {
    const mail = this.mails.at(-1);
    if (mail === undefined) throw new Error("no mail has come");
    return mail;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.server.close(resolve));
  }
}
