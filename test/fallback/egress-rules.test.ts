import { describe, expect, it } from "vitest";
import { EgressRules } from "../../src/fallback/egress-rules.ts";
import { isPublicAddress } from "../../src/fallback/public-address.ts";

const read = (text: string): EgressRules => {
  const rules = EgressRules.read(text);
  if (rules === undefined) throw new Error(`${text} was refused`);
  return rules;
};
const may = (rules: EgressRules, url: string, address: string) => rules.refusal(new URL(url), address) === undefined;

describe("a public address", () => {
  it.each(["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1"])(
    "is %s",
    (address) => expect(isPublicAddress(address)).toBe(true),
  );

  it.each([
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "ff02::1",
    "localhost",
    "",
  ])("is not %j", (address) => expect(isPublicAddress(address)).toBe(false));
});

describe("egress rules", () => {
  it("without entries let https to public addresses pass, at 443 and the ports of users", () => {
    const rules = EgressRules.publicOnly;
    expect(may(rules, "https://push.example/x", "1.1.1.1")).toBe(true);
    expect(may(rules, "https://push.example:8443/x", "1.1.1.1")).toBe(true);
    expect(may(rules, "https://push.example:25/x", "1.1.1.1")).toBe(false);
    expect(may(rules, "https://push.example:80/x", "1.1.1.1")).toBe(false);
    expect(may(rules, "http://push.example/x", "1.1.1.1")).toBe(false);
    expect(may(rules, "https://push.example/x", "10.0.0.1")).toBe(false);
  });

  it("let pass what an entry names, at its port or at all", () => {
    const rules = read("127.0.0.1:9093, 10.0.0.0/8,hooks.internal,Relay.Internal:8080,[fd00::1]:80,fd01::/16,fd02::5");
    const cases: readonly (readonly [string, string, boolean])[] = [
      ["http://127.0.0.1:9093/", "127.0.0.1", true],
      ["http://127.0.0.1:9094/", "127.0.0.1", false],
      ["http://127.0.0.2:9093/", "127.0.0.2", false],
      ["http://any.example:81/", "10.9.9.9", true],
      ["http://any.example/", "11.0.0.1", false],
      ["http://hooks.internal/", "192.168.0.1", true],
      ["http://hooks.internal./", "192.168.0.1", true],
      ["http://HOOKS.internal:99/", "192.168.0.1", true],
      ["http://not-hooks.internal/", "192.168.0.1", false],
      ["http://hooks.internal.example/", "192.168.0.1", false],
      ["http://relay.internal:8080/", "192.168.0.1", true],
      ["http://relay.internal/", "192.168.0.1", false],
      ["http://[fd00::1]/", "fd00::1", true],
      ["http://[fd00::1]:81/", "fd00::1", false],
      ["http://[fd01::9]/", "fd01::9", true],
      ["http://[fd02::5]/", "fd02::5", true],
      ["http://[fd02::6]/", "fd02::6", false],
    ];
    for (const [url, address, expected] of cases) expect(may(rules, url, address), `${url} ${address}`).toBe(expected);
  });

  it("know which hosts the operator has named", () => {
    const rules = read("push.internal:8443,10.0.0.0/8");
    expect(rules.names(new URL("https://push.internal:8443/a"))).toBe(true);
    expect(rules.names(new URL("https://push.internal/a"))).toBe(false);
    expect(rules.names(new URL("https://10.0.0.1/a"))).toBe(false);
  });

  it.each([
    "http://a",
    "a b",
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0/8",
    "host:0",
    "host:65536",
    "host/8",
    "[host]",
    "[::1",
    "1.2.3.4.5",
    "*",
    "-host",
    "fd00::1/64:80/",
  ])("do not come from %j", (text) => expect(EgressRules.read(text)).toBeUndefined());
});
