import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkEvent, decodeClientFrame } from "../../protocol/codec.ts";
import { closeCodes } from "../../protocol/close-codes.ts";
import { decodeServerFrame } from "../../protocol/server-frame.ts";
import { alertRoutes } from "../../src/gateway/routes/alert-routes.ts";
import { approvalRoutes } from "../../src/gateway/routes/approval-routes.ts";
import { auditRoutes } from "../../src/gateway/routes/audit-routes.ts";
import { breakerRoutes } from "../../src/gateway/routes/breaker-routes.ts";
import { contactRoutes } from "../../src/gateway/routes/contact-routes.ts";
import { devRoutes } from "../../src/gateway/routes/dev-routes.ts";
import { flagRoutes } from "../../src/gateway/routes/flag-routes.ts";
import { noticeRoutes } from "../../src/gateway/routes/notice-routes.ts";
import { processRoutes } from "../../src/gateway/routes/process-routes.ts";
import { readRoutes } from "../../src/gateway/routes/read-routes.ts";
import { revocationRoutes } from "../../src/gateway/routes/revocation-routes.ts";
import { runRoutes } from "../../src/gateway/routes/run-routes.ts";
import { streamRoutes } from "../../src/gateway/routes/stream-routes.ts";
import { scriptedChannel } from "../support/scripted-channels.ts";
import { KeptAudit } from "../support/kept-audit.ts";
import type { House } from "../gateway/support/house.ts";
import { keys, openHouse, token } from "../gateway/support/house.ts";
import { hello } from "../gateway/support/socket.ts";

const page = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");

interface Example {
  readonly kind: string;
  readonly words: readonly string[];
  readonly text: string;
  readonly line: number;
}

const examples: readonly Example[] = [...page.matchAll(/^```json ?(.*)\n([\s\S]*?)^```$/gm)].map((match) => {
  const [kind = "", ...words] = (match[1] ?? "").split(" ");
  return { kind, words, text: (match[2] ?? "").trim(), line: page.slice(0, match.index).split("\n").length };
});
const ofKind = (kind: string) => examples.filter((example) => example.kind === kind);
const titled = (list: readonly Example[]) => list.map((example) => [example.line, example] as const);

/** Values that are another each time; their form is the same. */
const volatile = new Set(["epoch", "id", "time", "ticket", "expiresAt", "leaseUntil", "startedAt"]);

const anyText: unknown = expect.any(String);
const someTexts: unknown = expect.arrayContaining([anyText]);

/** What the page leaves open: `…` stands for any text, and a list of `…` for any list that is not empty. */
function expected(value: unknown, key = ""): unknown {
  if (value === "…" || volatile.has(key)) return anyText;
  if (Array.isArray(value))
    return value.length === 1 && value[0] === "…" ? someTexts : value.map((item) => expected(item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, expected(item, name)]));
}

describe("the protocol page", () => {
  it("says of every example what it is", () => {
    const known = ["event", "client-frame", "bad-client-frame", "server-frame", "request", "answer"];
    expect(examples.filter(({ kind }) => !known.includes(kind))).toEqual([]);
    expect(examples.length).toBeGreaterThan(60);
    for (const kind of known) expect(ofKind(kind).length).toBeGreaterThan(0);
  });

  it("has an example of every frame", () => {
    const types = (kind: string) => new Set(ofKind(kind).map(({ text }) => JSON.parse(text).type));
    expect(types("client-frame")).toEqual(new Set(["hello", "ack", "auth", "confirm", "command", "ping"]));
    expect(types("server-frame")).toEqual(
      new Set(["welcome", "snapshot", "events", "gap", "reply", "status", "auth_expiring", "pong", "goodbye"]),
    );
  });

  it.each(titled(ofKind("client-frame")))("line %i: a client frame that the server takes", (_, { text }) => {
    expect(decodeClientFrame(text)).toEqual({ ok: true, value: JSON.parse(text) });
  });

  it.each(titled(ofKind("bad-client-frame")))("line %i: a client frame that the server refuses", (_, { text }) => {
    expect(decodeClientFrame(text).ok).toBe(false);
  });

  it.each(titled(ofKind("server-frame")))("line %i: a server frame that the client takes", (_, { text }) => {
    expect(decodeServerFrame(text)).toEqual({ ok: true, value: JSON.parse(text) });
  });

  it.each(titled(ofKind("event")))("line %i: an event whose data holds", (_, { text }) => {
    expect(checkEvent(JSON.parse(text))).toMatchObject({ ok: true });
  });

  it("names every close code", () => {
    for (const code of Object.values(closeCodes)) expect(page).toContain(`| ${code} |`);
  });

  const routes = [
    alertRoutes,
    approvalRoutes,
    auditRoutes,
    breakerRoutes,
    contactRoutes,
    devRoutes,
    flagRoutes,
    noticeRoutes,
    processRoutes,
    readRoutes,
    revocationRoutes,
    runRoutes,
    streamRoutes,
  ].flat();

  it.each(routes.map(({ method, path }) => `${method} ${path}`))("names %s", (call) => {
    const written = call.replaceAll(/:\w+/g, String.raw`[\w-]+`);
    expect(new RegExp(String.raw`${written}(?![\w/-])`).test(page)).toBe(true);
  });

  it("names every error code that an answer or a reply can have", () => {
    const sources = [
      "refusal.ts",
      "runtime/commands.ts",
      "runtime/broadcast-count.ts",
      "gateway/failure.ts",
      "gateway/router.ts",
    ];
    const text = sources.map((file) => readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8")).join("\n");
    const codes = [...text.matchAll(/code: "([a-z_]+)"/g)].map(({ 1: code = "" }) => code);
    expect(codes.length).toBeGreaterThan(15);
    expect(codes.filter((code) => !page.includes(`\`${code}\``))).toEqual([]);
  });
});

describe("the protocol page's HTTP examples", () => {
  let house: House;
  beforeAll(async () => {
    const audit = new KeptAudit();
    audit.record({ action: "auth_failed", details: { via: "http", reason: "no_credential", address: "127.0.0.0/24" } });
    const vapidPublicKey = "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM";
    const channels = [scriptedChannel("web-push")];
    house = await openHouse({ runtime: { auditLog: audit, vapidPublicKey, channels } });
  });
  afterAll(() => house.close());

  const exchanges = examples.flatMap((request, index) => {
    const answer = examples[index + 1];
    return request.kind === "request" && answer ? [[request.line, request, answer] as const] : [];
  });
  const credentials: Readonly<Record<string, () => Promise<string | undefined>>> = {
    publisher: async () => keys.publisher,
    admin: async () => keys.admin,
    alice: () => token("alice"),
    nobody: async () => undefined,
  };

  it("come in pairs", () => {
    expect(exchanges.length).toBe(ofKind("answer").length);
    for (const [, , answer] of exchanges) expect(answer.kind).toBe("answer");
  });

  // In the page's order: each stands on those before it.
  it.each(exchanges)("line %i is answered as it says", async (_, request, answer) => {
    const [method = "", path = "", who = ""] = request.words;
    const [status, code] = answer.words;
    const body = request.text === "" ? undefined : request.text;
    const given = await house.call(method, path, { as: await credentials[who]?.(), body });
    expect([given.status, given.body?.error?.code]).toEqual([Number(status), code]);
    expect(given.body).toEqual(expected(JSON.parse(answer.text)));
  });
});

describe("the protocol page's server frames", () => {
  it("have the fields that a real server sends", async () => {
    const house = await openHouse();
    const run = await house.startRun({ userId: "alice", threadId: "thread-7" });
    const socket = await hello(house.url, await token("alice"));
    await socket.nextOf("snapshot");
    await house.call("POST", `/v1/runs/${run.runId}/events`, {
      as: keys.both,
      body: { fence: run.fence, events: [{ type: "agent_thinking", data: {} }] },
    });
    await socket.nextOf("events");
    socket.send({ type: "ping", ref: 4 });
    await socket.nextOf("pong");
    socket.send({ type: "command", ref: 9, name: "dance" });
    await socket.nextOf("reply");
    const closed = house.close();
    await socket.nextOf("goodbye");
    await closed;
    const documented = ofKind("server-frame").map(({ text }) => JSON.parse(text));
    for (const frame of socket.frames) {
      const alike = documented.filter(({ type }) => type === frame.type).map((each) => Object.keys(each).toSorted());
      expect(alike, frame.type).toContainEqual(Object.keys(frame).toSorted());
    }
    expect(new Set(socket.frames.map(({ type }) => type)).size).toBe(6);
  });
});
