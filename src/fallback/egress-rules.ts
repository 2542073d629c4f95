/**
 * Where calls may go: public addresses over https, and what the operator allows by name (`RUNCAST_EGRESS_ALLOW`,
 * `RUNCAST_PUSH_ALLOW`). `guarded-request` asks for the URL before the call and for each address when it connects.
 */
import type { BlockList } from "node:net";
import { isIP, isIPv4, isIPv6 } from "node:net";
import { InvalidConfig } from "../errors.ts";
import { isPublicAddress, networks } from "./public-address.ts";

/** An entry of the operator's: a host name or a network, with a port or with all. */
type Allowed =
  | { readonly kind: "host"; readonly host: string; readonly port: number | undefined }
  | { readonly kind: "network"; readonly network: BlockList; readonly port: number | undefined };

const httpsPort = 443;
const httpPort = 80;
/** Below are the ports of mail, shells and name servers. */
const firstUserPort = 1_024;
const maxPort = 65_535;
const ipv4Bits = 32;
const ipv6Bits = 128;

export const egressShape = "hosts, addresses or networks, each with or without a port, separated by commas";

function readPort(text: string | undefined): number | undefined {
  const port = text === undefined ? Number.NaN : Number(text);
  return Number.isInteger(port) && port > 0 && port <= maxPort ? port : undefined;
}

function readNetwork(address: string, prefix: string | undefined, port: number | undefined): Allowed | undefined {
  const maxBits = isIPv4(address) ? ipv4Bits : ipv6Bits;
  const bits = prefix ?? String(maxBits);
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > maxBits) return undefined;
  return { kind: "network", network: networks([`${address}/${bits}`]), port };
}

function readEntry(text: string): Allowed | undefined {
  // A bare IPv6 address has colons of its own: one with a port stands in brackets.
  const isBareIpv6 = isIPv6(text.split("/")[0] ?? "");
  const shape = isBareIpv6 ? /^([^/]+)(?:\/(\d+))?$/ : /^(\[[^\]]+\]|[^\s/[\]:]+)(?:\/(\d+))?(?::(\d+))?$/;
  const [, name, prefix, portText] = shape.exec(text) ?? [];
  if (name === undefined) return undefined;
  const port = readPort(portText);
  if (portText !== undefined && port === undefined) return undefined;
  const host = name.replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) !== 0) return readNetwork(host, prefix, port);
  const isName = /^[a-z\d_]([\w.-]*\w)?$/i.test(host) && !/^[\d.]+$/.test(host) && host === name;
  return isName && prefix === undefined ? { kind: "host", host: host.toLowerCase(), port } : undefined;
}

/** The host of a URL as entries name it: without brackets and the dot of the root. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");

export const portOf = (url: URL): number =>
  url.port === "" ? (url.protocol === "https:" ? httpsPort : httpPort) : Number(url.port);

export class EgressRules {
  private readonly allowed: readonly Allowed[];

  private constructor(allowed: readonly Allowed[]) {
    this.allowed = allowed;
  }

  /** Public addresses only. */
  static readonly publicOnly = new EgressRules([]);

  /** The rules of an option `allow`. Fails: `InvalidConfig`. */
  static of(allow: string | undefined): EgressRules {
    const rules = EgressRules.read(allow ?? "");
    if (rules === undefined)
      throw new InvalidConfig({ setting: "allow", message: `is not right; right is ${egressShape}` });
    return rules;
  }

  /** Reads the operator's list; undefined for one that is not of `egressShape`. */
  static read(text: string): EgressRules | undefined {
    const allowed: Allowed[] = [];
    for (const part of text.split(",").map((entry) => entry.trim())) {
      if (part === "") continue;
      const entry = readEntry(part);
      if (entry === undefined) return undefined;
      allowed.push(entry);
    }
    return new EgressRules(allowed);
  }

  /** Whether the operator has named the host itself, and not only networks it may be in. */
  names(url: URL): boolean {
    const host = hostOf(url);
    const port = portOf(url);
    return this.allowed.some((entry) => entry.kind === "host" && entry.host === host && isPort(entry, port));
  }

  /** Why a connection to this address may not be made for this URL, or undefined: it may. */
  refusal(url: URL, address: string): string | undefined {
    if (this.names(url) || this.allows(address, portOf(url))) return undefined;
    if (!isPublicAddress(address)) return "leads to an address that is not public";
    if (url.protocol !== "https:") return "is not https";
    const port = portOf(url);
    return port === httpsPort || port >= firstUserPort ? undefined : `has the port ${port}`;
  }

  private allows(address: string, port: number): boolean {
    // One with a zone is no member of a network.
    if (isIP(address) === 0 || address.includes("%")) return false;
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    return this.allowed.some(
      (entry) => entry.kind === "network" && isPort(entry, port) && entry.network.check(address, family),
    );
  }
}

const isPort = ({ port }: Allowed, asked: number): boolean => port === undefined || port === asked;
