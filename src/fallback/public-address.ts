/**
 * Whether an IP address is one of the public internet. What stands before it resolves names (`guarded-request`); what
 * is not known to be public is not (FAULTS 42): loopback, private, link-local, shared, multicast, documentation and
 * the forms of IPv6 that lead into IPv4 (mapped, NAT64, 6to4, Teredo).
 */
import { BlockList, isIPv4, isIPv6 } from "node:net";

const reservedIpv4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  // Link-local, the metadata service of most clouds included.
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  // Looks public: Azure's own services to its virtual machines.
  "168.63.129.16/32",
];
/** All that is given out so far; every other IPv6 address is reserved, local or multicast. */
const globalIpv6 = "2000::/3";
const reservedIpv6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/** A list of networks in CIDR notation; they are ours, or checked before. */
export function networks(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = "", prefix] = cidr.split("/");
    list.addSubnet(address, Number(prefix), isIPv4(address) ? "ipv4" : "ipv6");
  }
  return list;
}

const reserved = { ipv4: networks(reservedIpv4), ipv6: networks(reservedIpv6) };
const global6 = networks([globalIpv6]);

export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !reserved.ipv4.check(address, "ipv4");
  // One with a zone, as in fe80::1%eth0, is this link's.
  if (!isIPv6(address) || address.includes("%")) return false;
  return global6.check(address, "ipv6") && !reserved.ipv6.check(address, "ipv6");
}
