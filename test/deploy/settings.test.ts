import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { settings } from "../../src/settings.ts";
import { root } from "../docs/page.ts";

const known = new Set<string>(Object.values(settings).map(({ env }) => env));
const files = [
  "Dockerfile",
  "docs/deploying.md",
  ...readdirSync(`${root}deploy`, { recursive: true, withFileTypes: true, encoding: "utf8" })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(root.length)),
].map((path) => [path, readFileSync(root + path, "utf8")] as const);

describe("what is shipped for deploying", () => {
  it.each(files)("%s names settings that there are", (_, text) => {
    const named = [...text.matchAll(/\bRUNCAST_[A-Z_]*[A-Z]\b/g)].map(([name]) => name);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it("has proxies that wait for longer than two heartbeats", () => {
    const heartbeatMs = Number(settings.heartbeatMs.default);
    for (const [path, pattern] of [
      ["deploy/nginx/runcast.conf", /proxy_(?:read|send)_timeout (\d+)s;/g],
      ["deploy/haproxy/haproxy.cfg", /timeout (?:client|server|tunnel) (\d+)s/g],
      ["deploy/helm/runcast/values.yaml", /proxy-(?:read|send)-timeout: "(\d+)"/g],
    ] as const) {
      const seconds = [...readFileSync(root + path, "utf8").matchAll(pattern)].map((match) => Number(match[1]));
      expect(seconds.length, path).toBeGreaterThan(1);
      for (const second of seconds) expect(second * 1_000, path).toBeGreaterThan(2 * heartbeatMs);
    }
  });

  it("has proxies that point at the port that the server listens on", () => {
    for (const path of ["deploy/nginx/runcast.conf", "deploy/haproxy/haproxy.cfg"])
      expect(readFileSync(root + path, "utf8")).toContain(`127.0.0.1:${settings.port.default}`);
  });
});
