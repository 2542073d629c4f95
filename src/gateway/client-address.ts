/**
 * Where a request comes from: the other end of the socket, or, when that is a proxy that we trust, whom the proxy names.
 * What a stranger writes into the header changes nothing.
 */
import type { IncomingMessage } from "node:http";
import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";

const ipv4Bits = 32;
const ipv6Bits = 128;
const mappedPrefix = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
/** Hops that are looked at: a header of strangers is long as they like. */
const maxHops = 32;

/** An address in one spelling, or undefined: brackets, a port, a zone and the IPv4 form in IPv6 are taken off. */
function plainAddress(text: string): string | undefined {
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(text.trim())?.[1] ??
    text
      .trim()
      .replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1")
      .replace(/%.*$/, "");
  const address = mappedPrefix.exec(bare)?.[1] ?? bare;
  return isIP(address) === 0 ? undefined : address.toLowerCase();
}

/** Addresses and blocks, as in `10.0.0.0/8`. Undefined: one of them is none. */
export function addressList(text: string): BlockList | undefined {
  const list = new BlockList();
  for (const part of text.split(",").map((item) => item.trim())) {
    if (part === "") continue;
    const [, address = "", bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(part) ?? [];
    const family = isIPv4(address) ? "ipv4" : isIPv6(address) ? "ipv6" : undefined;
    const most = family === "ipv4" ? ipv4Bits : ipv6Bits;
    if (family === undefined || Number(bits ?? most) > most) return undefined;
    list.addSubnet(address, Number(bits ?? most), family);
  }
  return list;
}

const has = (list: BlockList, address: string): boolean => list.check(address, isIPv4(address) ? "ipv4" : "ipv6");

/** The client's address: behind trusted proxies the last of `X-Forwarded-For` that is none of them. */
export function clientAddress(request: IncomingMessage, trusted: BlockList | undefined): string {
  let client = plainAddress(request.socket.remoteAddress ?? "") ?? "";
  if (trusted === undefined || client === "" || !has(trusted, client)) return client;
  const header = request.headers["x-forwarded-for"];
  const hops = (Array.isArray(header) ? header.join(",") : (header ?? "")).split(",").slice(-maxHops).toReversed();
  for (const hop of hops) {
    const address = plainAddress(hop);
    // What no proxy of ours would write: the nearest that is known must answer for it.
    if (address === undefined) return client;
    client = address;
    if (!has(trusted, client)) return client;
  }
  return client;
}

const isLoopback = (address: string): boolean => address === "::1" || address.startsWith("127.");

/** All groups of an IPv6 address, its `::` filled. */
function groupsOf(address: string): readonly string[] {
  const [head = "", tail] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0");
  return [...before, ...zeros, ...after];
}
const networkGroups = 4;

/** What is counted together: an IPv4 address, an IPv6 /64, which is what one customer has. Undefined: this machine. */
export function addressKey(address: string): string | undefined {
  if (address === "" || isLoopback(address)) return undefined;
  if (isIPv4(address)) return address;
  const network = groupsOf(address)
    .slice(0, networkGroups)
    .map((group) => group.replace(/^0+(?=.)/, ""));
  return `${network.join(":")}::/64`;
}
