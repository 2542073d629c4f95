import { createActor } from "xstate";
import { describe, expect, it } from "vitest";
import { backoffCeilingMs, type ClientFact, clientMachine, type ClientState } from "../../machines/client.ts";
import { closeCodes, dutyAfter } from "../../protocol/close-codes.ts";

const closed = (code: number): ClientFact => ({ type: "socket.closed", code, duty: dutyAfter(code) });
const start: ClientFact = { type: "start.requested" };
const token: ClientFact = { type: "token.received" };
const opened: ClientFact = { type: "socket.opened" };
const welcome: ClientFact = { type: "welcome.received" };
const settled: ClientFact = { type: "connection.settled" };
const backoff: ClientFact = { type: "backoff.passed" };
const online: ClientFact = { type: "network.online" };
const offline: ClientFact = { type: "network.offline" };
const visible: ClientFact = { type: "page.visible" };
const stop: ClientFact = { type: "stop.requested" };
const broken = closed(1006);

const toLive = [start, token, opened, welcome] as const;

function after(...facts: readonly ClientFact[]) {
  const client = createActor(clientMachine, { input: {} }).start();
  for (const fact of facts) client.send(fact);
  return client.getSnapshot();
}

describe("client machine", () => {
  it("asks for a token before it opens a socket, and says hello before it is live (LESSON 36)", () => {
    const path = toLive.map((_, at) => after(...toLive.slice(0, at + 1)).value);
    expect(path).toEqual(["authorizing", "connecting", "helloSent", "live"]);
  });

  it("has at most one socket: nothing opens another while one is there (LESSON 37)", () => {
    const withSocket = [[start, token], [start, token, opened], toLive] as const;
    for (const facts of withSocket)
      for (const again of [start, token, backoff, visible, online])
        expect([...facts.map(({ type }) => type), again.type, after(...facts, again).value]).toEqual([
          ...facts.map(({ type }) => type),
          again.type,
          after(...facts).value,
        ]);
  });

  it.each<[string, readonly ClientFact[], ClientState]>([
    ["a network that broke", [...toLive, broken], "waiting"],
    ["a server that restarts", [...toLive, closed(closeCodes.restart)], "waiting"],
    ["a token that ran out", [...toLive, closed(closeCodes.unauthenticated)], "authorizing"],
    ["a token that is refused at once", [start, token, opened, closed(closeCodes.unauthenticated)], "waiting"],
    ["a connection that was replaced", [...toLive, closed(closeCodes.replaced)], "stopped"],
    ["a frame that the server refused", [...toLive, closed(closeCodes.badFrame)], "stopped"],
    ["a socket that could not be opened", [start, token, broken], "waiting"],
    ["a network that is known to be gone", [...toLive, offline, broken], "offline"],
    ["nobody logged in", [start, { type: "token.refused" }], "stopped"],
    ["a token callback that failed", [start, { type: "token.failed" }], "waiting"],
  ])("knows what to do after %s", (_, facts, state) => {
    expect(after(...facts).value).toBe(state);
  });

  it("comes back when the back-off has passed, the network is back or the page is looked at", () => {
    for (const wake of [backoff, online, visible]) expect(after(...toLive, broken, wake).value).toBe("authorizing");
    for (const wake of [online, visible]) expect(after(start, offline, wake).value).toBe("authorizing");
    expect(after(start, offline, backoff).value).toBe("offline");
  });

  it("waits longer after each attempt, up to its cap, and begins anew after a connection that held", () => {
    const fail = [backoff, token, broken] as const;
    const ceilings = Array.from({ length: 9 }, (_, count) =>
      backoffCeilingMs(after(start, token, broken, ...Array.from({ length: count }, () => fail).flat()).context),
    );
    expect(ceilings).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    const again = [...toLive, broken, ...fail, backoff, token, opened, welcome] as const;
    expect(after(...again).context.attempt).toBe(2);
    expect(after(...again, settled).context.attempt).toBe(0);
  });

  it("keeps the server's wish to wait until it is welcome again", () => {
    const goodbye: ClientFact = { type: "goodbye.received", retryAfterMs: 700 };
    expect(after(...toLive, goodbye, closed(closeCodes.restart)).context.retryAfterMs).toBe(700);
    expect(after(...toLive, goodbye, closed(1012), backoff, token, opened, welcome).context.retryAfterMs).toBe(0);
  });

  it("hears the server's wish to wait also before it is welcome", () => {
    const goodbye: ClientFact = { type: "goodbye.received", retryAfterMs: 700 };
    expect(after(start, token, opened, goodbye, closed(closeCodes.overloaded)).context.retryAfterMs).toBe(700);
  });

  it("needs no settings", () => {
    const client = createActor(clientMachine, { input: undefined }).start();
    for (const fact of [start, token, broken]) client.send(fact);
    expect(backoffCeilingMs(client.getSnapshot().context)).toBe(500);
  });

  it("begins anew after a stop, with nothing of what went wrong before", () => {
    const begun = after(start).context;
    const goodbye: ClientFact = { type: "goodbye.received", retryAfterMs: 700 };
    const again = after(...toLive, goodbye, closed(closeCodes.restart), backoff, token, broken, stop, start);
    expect(again.context).toEqual(begun);
  });

  it("stays offline when the token callback fails without a network", () => {
    expect(after(start, offline, visible, { type: "token.failed" }).value).toBe("offline");
  });

  it("asks for a new token only after the old one was refused", () => {
    expect(after(start).context.tokenStale).toBe(false);
    expect(after(...toLive, broken).context.tokenStale).toBe(false);
    const refused = [...toLive, closed(closeCodes.unauthenticated)] as const;
    expect(after(...refused).context.tokenStale).toBe(true);
    expect(after(...refused, token).context.tokenStale).toBe(false);
  });

  it("stops when a second token in a row is refused, and forgets the first after a welcome", () => {
    const refused = [start, token, opened, closed(closeCodes.unauthenticated), backoff, token, opened] as const;
    const stopped = after(...refused, closed(closeCodes.unauthenticated));
    expect([stopped.value, stopped.context.stopped]).toEqual(["stopped", "unauthenticated"]);
    const expired = [welcome, closed(closeCodes.unauthenticated), backoff, token, opened] as const;
    expect(after(...refused, ...expired, closed(closeCodes.unauthenticated)).value).toBe("waiting");
  });

  it("takes a socket that broke before the welcome for no refusal of its token", () => {
    const broke = [start, token, opened, broken, backoff, token, opened] as const;
    expect(after(...broke, closed(closeCodes.unauthenticated)).value).toBe("waiting");
    const refused = [start, token, opened, closed(closeCodes.unauthenticated), backoff, token, opened] as const;
    expect(after(...refused, broken).value).toBe("waiting");
  });

  it("waits when a new token runs out at once: nobody is hammered", () => {
    const expired = closed(closeCodes.unauthenticated);
    expect(after(...toLive, expired, token, opened, welcome, expired).value).toBe("waiting");
    expect(after(...toLive, expired, token, opened, welcome, settled, expired).value).toBe("authorizing");
  });

  it("stays live when the network is only said to be gone", () => {
    expect(after(...toLive, offline).value).toBe("live");
    expect(after(...toLive, offline).context.online).toBe(false);
    expect(after(...toLive, offline, online, broken).value).toBe("waiting");
  });

  it("stops from every state, says why, and can be started again", () => {
    const places = [
      [start],
      [start, token],
      [start, token, opened],
      toLive,
      [...toLive, broken],
      [start, offline],
    ] as const;
    for (const facts of places) {
      const stopped = after(...facts, stop);
      expect([stopped.value, stopped.context.stopped]).toEqual(["stopped", "requested"]);
      expect(after(...facts, stop, broken, backoff, online, visible, token).value).toBe("stopped");
      expect(after(...facts, stop, start).value).toBe("authorizing");
    }
    const replaced = after(...toLive, closed(closeCodes.replaced), stop);
    expect([replaced.context.stopped, replaced.context.closeCode]).toEqual(["refused", closeCodes.replaced]);
  });

  it("can be opened by any tool: its config is JSON but for the initial context", () => {
    const { context, ...config } = clientMachine.config;
    expect(typeof context).toBe("function");
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });
});
