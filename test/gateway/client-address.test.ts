import type { IncomingMessage } from "node:http";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressKey, addressList, clientAddress } from "../../src/gateway/client-address.ts";

const from = (remoteAddress: string, forwarded?: string): IncomingMessage =>
  ({ socket: { remoteAddress }, headers: forwarded === undefined ? {} : { "x-forwarded-for": forwarded } }) as never;
const proxies = addressList("10.0.0.0/8, 127.0.0.1, fd00::/8");

describe("the client's address", () => {
  it.each([
    ["no proxy is trusted", undefined, from("10.0.0.1", "1.2.3.4"), "10.0.0.1"],
    ["a stranger forges the header", proxies, from("8.8.8.8", "1.2.3.4"), "8.8.8.8"],
    ["a proxy names it", proxies, from("10.0.0.1", "1.2.3.4"), "1.2.3.4"],
    ["a proxy names nobody", proxies, from("10.0.0.1"), "10.0.0.1"],
    ["a client wrote a header of its own before the proxy", proxies, from("10.0.0.1", "6.6.6.6, 1.2.3.4"), "1.2.3.4"],
    ["two proxies stand in a row", proxies, from("10.0.0.1", "1.2.3.4, 10.0.0.2"), "1.2.3.4"],
    ["all that are named are proxies", proxies, from("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3"],
    ["the nearest name is none", proxies, from("10.0.0.1", "1.2.3.4, unknown"), "10.0.0.1"],
    ["a name behind a proxy is none", proxies, from("10.0.0.1", "no, 10.0.0.2"), "10.0.0.2"],
    ["it has a port", proxies, from("10.0.0.1", "1.2.3.4:5678"), "1.2.3.4"],
    ["it is IPv6 with a port", proxies, from("fd00::1", "[2001:DB8::7]:443"), "2001:db8::7"],
    ["it is IPv4 in IPv6", proxies, from("::ffff:127.0.0.1", "::ffff:1.2.3.4"), "1.2.3.4"],
    ["the socket has none", proxies, from(""), ""],
  ] as const)("is found where %s", (_, trusted, request, address) => {
    expect(clientAddress(request, trusted)).toBe(address);
  });

  it("does not change by anything that a stranger writes", () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        expect(clientAddress(from("8.8.8.8", header), proxies)).toBe("8.8.8.8");
      }),
    );
  });

  it("is never one that a client wrote before what our proxy added", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), { maxLength: 50 }), (forged) => {
        expect(clientAddress(from("10.0.0.1", [...forged, "1.2.3.4"].join(", ")), proxies)).toBe("1.2.3.4");
      }),
    );
  });
});

describe("a list of addresses", () => {
  it.each(["10.0.0.0/33", "::/129", "proxy.example.com", "10.0.0", "10.0.0.1/", "10.0.0.1/x", "1.2.3.4,;"])(
    "is none with %s",
    (text) => {
      expect(addressList(text)).toBeUndefined();
    },
  );
});

describe("what is counted together", () => {
  it.each([
    ["1.2.3.4", "1.2.3.4"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:0db8:0001:0002::", "2001:db8:1:2::/64"],
    ["2001:db8::", "2001:db8:0:0::/64"],
    ["fe80::1", "fe80:0:0:0::/64"],
    ["::2", "0:0:0:0::/64"],
    ["127.0.0.9", undefined],
    ["::1", undefined],
    ["", undefined],
  ])("of %s is %s", (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});
