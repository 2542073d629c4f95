/** The mail server and the sender of the settings, read and checked before `email` uses them. No I/O. */
import { isLoopbackHost } from "../config-values.ts";

export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte (`smtps://`); otherwise STARTTLS where the server offers it. */
  readonly secure: boolean;
  /** A password is on its way to another machine: no STARTTLS, no mail. */
  readonly requireTLS: boolean;
  readonly auth?: { readonly user: string; readonly pass: string } | undefined;
}

export interface MailAddress {
  readonly name: string;
  readonly address: string;
}

const submissionPort = 587;
const submissionsPort = 465;
const maxAddressChars = 254;

export const smtpUrlShape = "smtp:// or smtps://, then user:password@ if it wants a login, host and port";
export const mailFromShape = "an address, as in Runcast <runcast@example.com>";

export function readSmtpUrl(text: string): SmtpServer | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(text);
  const secure = protocol === "smtps:";
  if ((!secure && protocol !== "smtp:") || hostname === "" || search !== "" || hash !== "") return undefined;
  if (pathname !== "" && pathname !== "/") return undefined;
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  let auth: SmtpServer["auth"];
  try {
    if (username !== "") auth = { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
  } catch {
    return undefined;
  }
  const defaultPort = secure ? submissionsPort : submissionPort;
  const requireTLS = !secure && auth !== undefined && !isLoopbackHost(host);
  return { host, port: port === "" ? defaultPort : Number(port), secure, requireTLS, auth };
}

/** One address and nothing more: no list, no name, nothing that a header could end with. */
export const isMailAddress = (text: string): boolean =>
  text.length <= maxAddressChars && /^[^\s\p{Cc}@<>,;:"()[\]\\]+@[^\s\p{Cc}@<>,;:"()[\]\\]+$/u.test(text);

/** `Name <address>` or `address`. */
export function readMailFrom(text: string): MailAddress | undefined {
  const [, name = "", address = text] = /^([^<>\p{Cc}]*)<([^<>]*)>$/u.exec(text) ?? [];
  return isMailAddress(address) ? { name: name.trim().replace(/^"(.*)"$/, "$1"), address } : undefined;
}
