import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StaticFiles } from "../../src/gateway/static-files.ts";
import type { House } from "./support/house.ts";
import { openHouse } from "./support/house.ts";

let house: House;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "runcast-page-"));
  mkdirSync(join(directory, "page", "assets"), { recursive: true });
  writeFileSync(join(directory, "secret.txt"), "canary");
  writeFileSync(join(directory, "page", "index.html"), "<!doctype html><title>Runcast</title>");
  writeFileSync(join(directory, "page", "assets", "index-B3f9_aQ1.js"), "export {};");
  writeFileSync(join(directory, "page", "assets", "logo.svg"), "<svg/>");
  house = await openHouse({ gateway: { console: StaticFiles.read(join(directory, "page")) } });
});
afterAll(async () => {
  await house.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A request whose path nobody has tidied up. */
function rawGet(path: string): Promise<string> {
  const socket = connect(house.port, "127.0.0.1");
  return new Promise((resolve, reject) => {
    let all = "";
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      all += String(chunk);
    });
    socket.on("close", () => resolve(all));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  });
}

describe("the page", () => {
  it("is served at `/`, and may load nothing from elsewhere", async () => {
    const { status, headers, text } = await house.call("GET", "/");
    expect([status, headers.get("content-type"), headers.get("cache-control")]).toEqual([
      200,
      "text/html; charset=utf-8",
      "no-cache",
    ]);
    expect(text).toContain("<title>Runcast</title>");
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-frame-options")).toBe("DENY");
  });

  it("is not sent again when the browser has it", async () => {
    const first = await house.call("GET", "/");
    const etag = first.headers.get("etag") ?? "";
    const again = await house.call("GET", "/", { headers: { "if-none-match": etag } });
    expect([again.status, again.text]).toEqual([304, ""]);
  });

  it("has hashed assets that never change, and others that are asked for again", async () => {
    const script = await house.call("GET", "/assets/index-B3f9_aQ1.js");
    expect([script.headers.get("content-type"), script.headers.get("cache-control")]).toEqual([
      "text/javascript; charset=utf-8",
      "public, max-age=31536000, immutable",
    ]);
    const logo = await house.call("GET", "/assets/logo.svg");
    expect([logo.headers.get("content-type"), logo.headers.get("cache-control")]).toEqual([
      "image/svg+xml",
      "no-cache",
    ]);
  });

  it.each([
    "/../secret.txt",
    "/assets/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/assets/..%5c..%5csecret.txt",
    "//secret.txt",
    "/assets",
    "/nothing",
  ])("leads nowhere else: %s", async (path) => {
    const answer = await rawGet(path);
    expect(answer).toMatch(/^HTTP\/1\.1 404/);
    expect(answer).not.toContain("canary");
  });

  it("answers other methods with 404", async () => {
    expect((await house.call("POST", "/")).status).toBe(404);
  });

  it("is undefined where none is built", () => {
    expect(StaticFiles.read(join(directory, "missing"))).toBeUndefined();
  });
});
