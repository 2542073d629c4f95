/** Where somebody came from, as far as an operator needs it: the network, never the address of a person. */
const mapped = /^::ffff:(?=\d+\.)/i;
const ipv4Parts = 3;
const ipv6Parts = 3;

/** `203.0.113.0/24` or `2001:db8:1::/48`; undefined for what is no address. */
export function networkOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const bare = address.replace(mapped, "");
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(bare)) return `${bare.split(".").slice(0, ipv4Parts).join(".")}.0/24`;
  if (!/^[0-9a-f:]+(%.*)?$/i.test(bare) || !bare.includes(":")) return undefined;
  const [head = "", tail] = (bare.split("%", 1)[0] ?? "").toLowerCase().split("::");
  const groups = head === "" ? [] : head.split(":");
  // What `::` stands for is zeros, as many as are missing.
  const behind = tail === undefined || tail === "" ? 0 : tail.split(":").length;
  while (tail !== undefined && groups.length + behind < 8) groups.push("0");
  const all = [...groups, ...(tail === undefined || tail === "" ? [] : tail.split(":"))];
  return `${all.slice(0, ipv6Parts).join(":")}::/48`;
}
