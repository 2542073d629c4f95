/**
 * Packets that the kernel drops, in a network namespace of this process alone: `unshare` makes it, `nft` fills it. What
 * goes to or comes from `lossyHost` is at risk; everything else of loopback is safe.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";

/** Loopback has 16 million addresses. */
export const lossyHost = "127.0.0.2";
const table = ["table", "inet", "lossy"];

function nft(...words: readonly string[]): void {
  execFileSync("nft", [...words], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Fails where there is no namespace to do it in: this must never touch the machine's own network. */
export function openLossyKernel(): void {
  if (execFileSync("ip", ["-o", "link"], { encoding: "utf8" }).trim().split("\n").length !== 1)
    throw new Error("this is no network namespace of its own: run `npm run packet-loss` (Debian: nftables, iproute2)");
  execFileSync("ip", ["link", "set", "lo", "up"]);
  nft("add", ...table);
  nft("add", "chain", "inet", "lossy", "output", "{ type filter hook output priority 0; }");
}

/** So many of a hundred packets are lost from now on, in both directions. */
export function losePackets(percent: number): void {
  nft("flush", ...table);
  for (const side of ["saddr", "daddr"])
    nft("add", "rule", "inet", "lossy", "output", "ip", side, lossyHost, ...draw(percent), "drop");
}

const draw = (percent: number): string[] =>
  percent >= 100 ? [] : ["numgen", "random", "mod", "100", "<", String(percent)];

/** How often TCP sends again before it gives a connection up: 15 by default, which is a quarter of an hour. */
export function setTcpRetries(count: number): void {
  writeFileSync("/proc/sys/net/ipv4/tcp_retries2", String(count));
}
