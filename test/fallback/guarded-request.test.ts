/** FAULTS 42 and 43: where a call may lead, and what it may cost. */
import { createServer as createTlsServer } from "node:https";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EgressRules } from "../../src/fallback/egress-rules.ts";
import type { GuardedTerms } from "../../src/fallback/guarded-request.ts";
import { guardedPost } from "../../src/fallback/guarded-request.ts";
import type { NotTaken } from "../../src/fallback/not-taken.ts";
import { speaksAgainstChannel } from "../../src/fallback/not-taken.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { eventually } from "../support/eventually.ts";
import { makeCertificate, trusted } from "./support/certificate.ts";
import { DnsStub } from "./support/dns-stub.ts";
import { answers, Endpoint, hangs } from "./support/endpoint.ts";

const never = new AbortController().signal;
const loopback = EgressRules.read("127.0.0.1");
if (loopback === undefined) throw new Error("no rules");
const canary = "canary-token";

let inside: Endpoint;
beforeEach(async () => {
  inside = await Endpoint.open();
});
afterEach(() => inside[Symbol.asyncDispose]());

const post = (url: string, terms: Partial<GuardedTerms> = {}, signal = never): Promise<number> =>
  guardedPost({ clock: systemClock, rules: EgressRules.publicOnly, ...terms })({
    url,
    headers: { authorization: `Bearer ${canary}` },
    body: "hello",
    signal,
  });
const failure = async (call: Promise<number>): Promise<NotTaken> => {
  const cause: unknown = await call.then(
    (status) => new Error(`it answered ${status}`),
    (error: unknown) => error,
  );
  expect(cause).toHaveProperty("name", "NotTaken");
  return cause as NotTaken;
};
const refusedTarget = async (call: Promise<number>): Promise<void> => {
  const cause = await failure(call);
  expect(cause.reason).toBe("target");
  expect(speaksAgainstChannel(cause)).toBe(false);
};

describe("a guarded request", () => {
  it("posts to a target that is allowed, on a connection of its own", async () => {
    inside.answer = answers(201, {}, "taken");
    expect(await post(inside.url("/in?a=1"), { rules: loopback })).toBe(201);
    expect(await post(inside.url("/again"), { rules: loopback })).toBe(201);
    expect(inside.hits.map(({ method, path, body }) => `${method} ${path} ${body.toString()}`)).toEqual([
      "POST /in?a=1 hello",
      "POST /again hello",
    ]);
    expect(inside.last.headers["authorization"]).toBe(`Bearer ${canary}`);
    expect(inside.last.headers["connection"]).toBe("close");
    expect(inside.connections).toBe(2);
    await eventually(async () => expect(await inside.openSockets()).toBe(0));
  });

  it.each([
    "127.0.0.1",
    "127.1",
    "0x7f000001",
    "0x7f.0.0.1",
    "017700000001",
    "2130706433",
    "127.0.0.1.",
    "１２７.0.0.1",
    "127%2e0.0.1",
    "[::ffff:7f00:1]",
    "[::ffff:127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::1]",
    "[::]",
    "0.0.0.0",
    "0",
    "localhost",
    "LOCALHOST",
  ])("makes no connection to %s", async (host) => {
    await refusedTarget(post(`http://${host}:${inside.port}/`));
    await refusedTarget(post(`https://${host}:${inside.port}/`));
    expect(inside.connections).toBe(0);
  });

  it.each(["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "10.0.0.1", "[fe80::1]"])(
    "makes no connection to %s, where clouds and private networks are",
    async (host) => {
      for (const url of [`http://${host}/latest/meta-data/`, `https://${host}/`])
        expect((await failure(post(url))).reason).toBe("target");
    },
  );

  it("refuses what is no call to a web server", async () => {
    for (const url of [
      "ftp://1.1.1.1/",
      "file:///etc/passwd",
      "data:text/plain,a",
      "//1.1.1.1/",
      "",
      "http://",
      "https://user:pass@1.1.1.1/",
      "https://user@1.1.1.1/",
      "https://1.1.1.1:25/",
      "http://1.1.1.1/",
      `https://1.1.1.1/${"a".repeat(3_000)}`,
    ])
      await refusedTarget(post(url));
    // Some systems know it with the dot, some do not.
    await failure(post(`http://localhost.:${inside.port}/`));
    expect(inside.connections).toBe(0);
  });

  it("refuses a name with a private address among public ones", async () => {
    for (const records of [
      ["1.1.1.1", "127.0.0.1"],
      ["127.0.0.1", "1.1.1.1"],
      ["1.1.1.1", "169.254.169.254"],
    ]) {
      await using dns = await DnsStub.open(() => records);
      await refusedTarget(post(`https://mixed.example:${inside.port}/`, { resolve: dns.resolve }));
      expect(dns.queries).toBe(1);
    }
    expect(inside.connections).toBe(0);
  });

  it("connects to the address that it judged: a name that is bound anew after the judgement leads nowhere else", async () => {
    // Allowed at first, and then where the internal service is.
    const rules = EgressRules.read("127.0.0.2");
    if (rules === undefined) throw new Error("no rules");
    await using dns = await DnsStub.open((query) => [query === 0 ? "127.0.0.2" : "127.0.0.1"]);
    const url = `http://rebound.example:${inside.port}/`;
    expect((await failure(post(url, { rules, resolve: dns.resolve }))).message).toBe("no answer: ECONNREFUSED");
    expect(dns.queries).toBe(1);
    await refusedTarget(post(url, { rules, resolve: dns.resolve }));
    expect(inside.connections).toBe(0);
  });

  it("speaks TLS with the name of the URL at the address that was judged, and only with a server that proves it", async () => {
    const certificate = makeCertificate();
    let taken = 0;
    const server = createTlsServer(certificate, (_, response) => {
      taken += 1;
      response.end();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await using dns = await DnsStub.open(() => ["127.0.0.1"]);
    const terms = { rules: loopback, resolve: dns.resolve };
    expect((await failure(post(`https://hooks.example:${port}/`, terms))).message).toMatch(/^no answer: \w+CERT\w*$/);
    using _ = trusted(certificate);
    expect(await post(`https://hooks.example:${port}/`, terms)).toBe(200);
    expect((await failure(post(`https://other.example:${port}/`, terms))).message).toContain(
      "ERR_TLS_CERT_ALTNAME_INVALID",
    );
    expect(taken).toBe(1);
    server.close();
    await once(server, "close");
  });

  it("does not go where a redirect points", async () => {
    await using outside = await Endpoint.open(answers(302, { location: inside.url("/stolen") }));
    const rules = EgressRules.read(`127.0.0.1:${outside.port}`);
    if (rules === undefined) throw new Error("no rules");
    expect(await post(outside.url(), { rules })).toBe(302);
    expect(inside.connections).toBe(0);
  });

  it("takes the status of an answer without end, and hangs up", async () => {
    let written = 0;
    inside.answer = (response) => {
      const chunk = Buffer.alloc(65_536);
      const more = (): void => {
        while (!response.destroyed && written < 10_485_760) {
          written += chunk.length;
          if (!response.write(chunk)) return void response.once("drain", more);
        }
      };
      response.writeHead(200);
      more();
    };
    expect(await post(inside.url(), { rules: loopback })).toBe(200);
    await eventually(async () => expect(await inside.openSockets()).toBe(0));
    expect(written).toBeLessThan(10_485_760);
  });

  it("gives up an endpoint that hangs, at its deadline and when it is told to", async () => {
    inside.answer = hangs;
    const clock = manualClock();
    const call = failure(post(inside.url(), { rules: loopback, clock, timeoutMs: 5_000 }));
    await eventually(() => expect(inside.hits).toHaveLength(1));
    await clock.advance(4_999);
    expect(await inside.openSockets()).toBe(1);
    await clock.advance(1);
    const late = await call;
    expect([late.reason, late.message]).toEqual(["call", "no answer within 5000 ms"]);
    expect(speaksAgainstChannel(late)).toBe(true);

    const given = new AbortController();
    const aborted = failure(post(inside.url(), { rules: loopback, clock }, given.signal));
    await eventually(() => expect(inside.hits).toHaveLength(2));
    given.abort();
    expect((await aborted).reason).toBe("aborted");
    expect((await failure(post(inside.url(), { rules: loopback }, given.signal))).reason).toBe("aborted");
    expect(inside.hits).toHaveLength(2);
    expect(clock.nextInMs).toBeUndefined();
    await eventually(async () => expect(await inside.openSockets()).toBe(0));
  });

  it("gives up at its deadline also while the name is looked up, and while the answer's body trickles", async () => {
    const clock = manualClock();
    const lookup = failure(
      post("https://slow.example/", { clock, resolve: () => new Promise(() => {}), timeoutMs: 1_000 }),
    );
    await clock.advance(1_000);
    expect((await lookup).reason).toBe("call");

    inside.answer = (response) => {
      response.writeHead(200);
      response.write("never ends");
    };
    const trickling = post(inside.url(), { rules: loopback, clock, timeoutMs: 1_000 });
    await eventually(() => expect(inside.hits).toHaveLength(1));
    await eventually(async () => {
      await clock.advance(1_000);
      expect(await inside.openSockets()).toBe(0);
    });
    expect([200, "late"]).toContain(await trickling.catch(() => "late"));
  });

  it("says no more of a failure than its code", async () => {
    const url = `http://127.0.0.1:${inside.port}/${canary}`;
    await inside[Symbol.asyncDispose]();
    const gone = await failure(post(url, { rules: loopback }));
    const unknown = await failure(
      post("https://nobody.example/", {
        resolve: () => Promise.reject(Object.assign(new Error(`${canary} not found`), { code: "ENOTFOUND" })),
      }),
    );
    const empty = await failure(post("https://nobody.example/", { resolve: async () => [] }));
    expect([gone, unknown, empty].map(({ message, reason }) => `${reason}: ${message}`)).toEqual([
      "call: no answer: ECONNREFUSED",
      "call: no answer: ENOTFOUND",
      "call: no answer: the connection failed",
    ]);
    for (const each of [gone, unknown, await failure(post(`https://${canary}:${canary}@1.1.1.1/`))]) {
      expect(`${each.stack} ${JSON.stringify(each)} ${String(each.cause)}`).not.toContain(canary);
    }
    inside = await Endpoint.open();
  });

  it.each([
    ["hangs up", (socket: Socket) => socket.destroy()],
    ["talks no HTTP", (socket: Socket) => socket.end("220 mail.example ESMTP\r\n")],
    ["sends headers without end", (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\na: ${"b".repeat(100_000)}\r\n`)],
    [
      "switches protocols",
      (socket: Socket) => socket.write("HTTP/1.1 101 Over\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
    ],
  ])("fails when the other side %s", async (_, answer) => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("data", () => answer(socket));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    expect((await failure(post(`http://127.0.0.1:${port}/`, { rules: loopback }))).reason).toBe("call");
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
});
