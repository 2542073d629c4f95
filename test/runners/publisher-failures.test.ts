import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import type { ExpectedError } from "../../src/errors.ts";
import * as embedded from "../../src/errors.ts";
import * as remote from "../../src/publisher/index.ts";
import { failureOfAnswer } from "../../src/publisher/refused-answer.ts";
import { errorBody, refusalOf } from "../../src/refusal.ts";
import type { RemoteWorld } from "./support/remote-world.ts";
import { apiKey, remoteWorld } from "./support/remote-world.ts";

/** Only who administers flags meets this one. */
type Met = Exclude<ExpectedError, { _tag: "FlagsConflict" }>;

/** One of each. A record, so that the compiler asks for a new one. */
const samples: { readonly [Tag in Met["_tag"]]: Extract<Met, { _tag: Tag }> } = {
  InvalidInput: new embedded.InvalidInput({ code: "invalid_event", path: "events[2].data", message: "must be right" }),
  Unauthenticated: new embedded.Unauthenticated({ message: "no" }),
  Forbidden: new embedded.Forbidden({ message: "not this" }),
  NotFound: new embedded.NotFound({ what: "approval" }),
  IllegalTransition: new embedded.IllegalTransition({
    index: 3,
    state: "thinking",
    event: "agent_resumed",
    legal: ["agent_thinking", "x.*"],
    message: "it is not suspended",
  }),
  SeqConflict: new embedded.SeqConflict({ seq: 7 }),
  Fenced: new embedded.Fenced({ message: "claimed" }),
  RunEnded: new embedded.RunEnded({ state: "cancelled" }),
  RunExists: new embedded.RunExists({ message: "another body" }),
  KeyConflict: new embedded.KeyConflict({ key: "k", seq: 4 }),
  Contaminated: new embedded.Contaminated({ path: "events[0].data.userId", message: "names somebody" }),
  AlreadyResolved: new embedded.AlreadyResolved({ resolution: { decision: "deny", by: "user" } }),
  TooLarge: new embedded.TooLarge({ maxBytes: 1_048_576 }),
  TooMany: new embedded.TooMany({ message: "slow down", retryAfterMs: 2_000 }),
  NotAccepting: new embedded.NotAccepting({ retryAfterMs: 1_000 }),
  LogUnavailable: new embedded.LogUnavailable({ message: "silent", retryAfterMs: 1_000 }),
  LogFull: new embedded.LogFull({ message: "no room", retryAfterMs: 1_000 }),
};
const titled = Object.entries(samples);
const exported: ReadonlyMap<string, unknown> = new Map(Object.entries(remote));

describe("a failure of the publisher", () => {
  it.each(titled)("%s has the tag and the fields of the embedded one", (tag, error) => {
    const refusal = refusalOf(error);
    const answer = {
      status: refusal.status,
      body: JSON.parse(errorBody(refusal)),
      retryAfterMs: refusal.retryAfterMs ?? 0,
    };
    const failure = failureOfAnswer(answer);
    // What an embedded one says in its fields alone has a message here too.
    const { message, ...fields } = { ...error };
    expect(failure).toMatchObject({ ...fields, _tag: tag, name: tag });
    if (message && !tag.startsWith("Log")) expect(failure.message).toBe(message);
    expect(failure.constructor).toBe(exported.get(tag));
    expect(failure).toBeInstanceOf(remote.PublishFailure);
    expect(failure.outcome).toBe(tag === "LogUnavailable" ? "unknown" : "refused");
    expect(failure.copy()).toEqual(failure);
  });

  it("survives whatever a stranger answers", () => {
    const bodies = [undefined, null, 7, "x", [], {}, { error: 1 }, { error: { code: "fenced" } }];
    const odd = ["illegal_transition", "key_conflict", "already_resolved", "invalid"].map((code) => ({
      error: { code, message: 5, details: { index: "x", legal: "y", seq: {}, resolution: 1, path: [] } },
    }));
    for (const body of [...bodies, ...odd])
      expect(failureOfAnswer({ status: 409, body, retryAfterMs: 0 })).toBeInstanceOf(remote.PublishFailure);
  });
});

describe("the publisher's options", () => {
  const good = { url: "http://127.0.0.1:7420", apiKey };
  const wrong: readonly (readonly [string, object])[] = [
    ["url", { url: "nowhere" }],
    ["url", { url: "ws://127.0.0.1" }],
    ["url", { url: `http://alice:${apiKey}@127.0.0.1` }],
    ["url", { url: `http://127.0.0.1?key=${apiKey}` }],
    ["apiKey", { apiKey: "" }],
    ["apiKey", { apiKey: `${apiKey}\n` }],
    ["apiKey", { apiKey: undefined }],
    ["tries", { tries: 0 }],
    ["tries", { tries: 1.5 }],
    ["timeoutMs", { timeoutMs: 0 }],
    ["retryMs", { retryMs: Number.NaN }],
    ["heartbeatMs", { heartbeatMs: -1 }],
  ];
  it.each(wrong)("are refused by name, and what was given is not repeated: %s", (setting, given) => {
    const made = () => remote.connectPublisher({ ...good, ...given });
    expect(made).toThrow(remote.InvalidConfig);
    try {
      made();
    } catch (cause) {
      expect(cause).toMatchObject({ setting, _tag: "InvalidConfig" });
      expect(inspect(cause)).not.toContain(apiKey);
    }
  });
});

/** A server of somebody else: who came, and with which key. */
async function stranger(answer: (response: ServerResponse) => void) {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    answer(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    seen,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("the API key", () => {
  let world: RemoteWorld | undefined;
  afterEach(async () => {
    await world?.close();
    world = undefined;
  });

  it("does not go where a redirect points", async () => {
    await using elsewhere = await stranger((response) => response.end("{}"));
    await using server = await stranger((response) =>
      response.writeHead(307, { location: `${elsewhere.url}/v1/runs` }).end(),
    );
    const publisher = remote.connectPublisher({ url: server.url, apiKey });
    await expect(publisher.startRun({ userId: "alice", agent: "a" })).rejects.toMatchObject({
      _tag: "UnexpectedAnswer",
      status: 307,
    });
    expect([server.seen.length, elsewhere.seen]).toEqual([1, []]);
  });

  it("is in the one header that it is for, and in nothing that can be printed (I19)", async () => {
    const refused: unknown[] = [];
    world = await remoteWorld({ publisher: { onRefused: (each) => refused.push(each), timeoutMs: 200 } });
    const { publisher, wire, another } = world;
    const run = await publisher.startRun({ userId: "alice", agent: "a", leaseMs: 60_000 });
    const seen: unknown[] = [publisher, run];
    const rejected = async (call: Promise<unknown>): Promise<void> => {
      seen.push(
        await call.then(
          () => new Error("it did not fail"),
          (cause: unknown) => cause,
        ),
      );
    };
    // This wire's own error tells the request's headers, as some do.
    wire.faults.push("cutBefore", "cutBefore", "cutBefore");
    await rejected(run.thinking());
    wire.faults.push("hangs", "hangs", "hangs");
    await rejected(run.delta("m", "x"));
    const echo = JSON.stringify({ error: { code: "forbidden", message: `who is Bearer ${apiKey}?` } });
    wire.faults.push({ status: 403, body: echo });
    await rejected(run.heartbeat());
    wire.faults.push({ status: 500, body: `<pre>${apiKey}</pre>` });
    await rejected(another({ tries: 1 }).notify({ userId: "alice", type: "x.n", data: {} }));
    await rejected(another({ url: "http://127.0.0.1:1", fetch: undefined, tries: 1 }).claim("x"));
    expect(seen).toHaveLength(7);
    for (const thing of [...seen, ...refused]) {
      const texts = [inspect(thing, { depth: Infinity, showHidden: true, getters: true })];
      if (thing instanceof Error)
        texts.push(String(thing), thing.stack ?? "", inspect(thing.cause), JSON.stringify(thing));
      for (const text of texts) expect(text.includes(apiKey), text.slice(0, 400)).toBe(false);
      if (thing instanceof Error) expect(thing.message).not.toContain("did not fail");
    }
    expect(refused).toHaveLength(2);
    expect(new Set(wire.sent.map(({ headers }) => headers["authorization"]))).toEqual(new Set([`Bearer ${apiKey}`]));
    expect(
      wire.sent.filter(({ query, path, body }) => `${query}${path}${JSON.stringify(body)}`.includes(apiKey)),
    ).toEqual([]);
  });
});
