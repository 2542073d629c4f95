import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchChromium } from "../support/chromium.ts";
import { welcomed } from "../support/client-under-test.ts";
import { oneRun } from "../support/sample-stream.ts";
import { ScriptedServer } from "../support/scripted-server.ts";

const pageCode = fileURLToPath(new URL("../support/react-page.ts", import.meta.url));
const log = oneRun("r-1");

/** React as developers have it: only then does strict mode mount everything twice. */
async function script(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "error",
    mode: "development",
    define: { "process.env.NODE_ENV": '"development"' },
    build: { write: false, minify: false, modulePreload: false, rolldownOptions: { input: pageCode } },
  });
  const outputs = [built].flat().flatMap((part) => ("output" in part ? part.output : []));
  return outputs.flatMap((part) => (part.type === "chunk" ? [part.code] : [])).join("");
}

/** From loopback, as the socket is: a page from elsewhere may not reach into the local network. */
async function serve(code: string): Promise<Server> {
  const pages = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? code : '<!doctype html><script type="module" src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
  return pages;
}

let browser: Browser;
let pages: Server;
beforeAll(async () => {
  browser = await launchChromium();
  pages = await serve(await script());
});
afterAll(async () => {
  await browser.close();
  pages.close();
});

async function openPage(server: ScriptedServer): Promise<Page> {
  const page = await browser.newPage();
  const { port } = pages.address() as AddressInfo;
  await page.goto(`http://127.0.0.1:${port}/?server=${encodeURIComponent(server.url)}`);
  return page;
}

describe("react hooks in a browser", () => {
  it("open one socket under strict mode, show each change, and go on after a cut", async () => {
    await using server = await ScriptedServer.listen();
    const page = await openPage(server);
    const first = await welcomed(server, { head: 3 });
    first.events(log.slice(0, 3));
    await page.getByText("live 3 toolExecuting 1").waitFor();
    expect([server.connectionCount, server.openCount]).toEqual([1, 1]);
    await page.getByRole("button").click();
    const second = await welcomed(server, { resumed: "replayed", head: log.length });
    second.events(log.slice(3));
    await page.getByText(`live ${log.length} completed 1`).waitFor();
    expect(server.connectionCount).toBe(2);
    await page.close();
    await second.closed;
  });
});
