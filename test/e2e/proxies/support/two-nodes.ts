/** What must hold behind a proxy that is shipped with a configuration when one of two nodes goes, by a drain or at once. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuiltServer, userToken } from "../../../support/built-server.ts";
import { collect } from "../../../support/collecting-client.ts";
import type { HttpAnswer } from "../../../support/http-reader.ts";
import { call } from "../../../support/http-reader.ts";
import { expectWhole, publishFor } from "../../../support/publishers.ts";
import type { ProxyName } from "../../../support/real-proxy.ts";
import { RealProxy } from "../../../support/real-proxy.ts";
import { seededRandom } from "../../../support/seeded-random.ts";
import type { SharedStore } from "../../../support/shared-store.ts";
import { sharedStore } from "../../../support/shared-store.ts";

const userIds = ["ada", "bea", "cy"];
const tabs = 2;
const readEveryMs = 20;
const ok = 200;
/** The proxy's own answer, when the node is gone that it has just asked. */
const unanswered = '503 {"error":{"code":"log_unavailable","message":"no node answered';

/**
 * A GET as browsers make it: once more when the connection that it was sent on ends before an answer. HAProxy ends a kept
 * connection so when the node's own connection breaks, and leaves the repeating to the client.
 */
async function get(url: string, path: string, as: string): Promise<HttpAnswer> {
  const ask = () => call(url, `GET ${path}`, { as });
  return await ask().catch(ask);
}

export function twoNodesBehind(name: ProxyName, kind: Parameters<typeof sharedStore>[0]): void {
  const random = seededRandom(Date.now() % 1_000_000);
  let store: SharedStore;
  let nodes: readonly BuiltServer[] = [];
  let proxy: RealProxy;
  beforeAll(async () => {
    store = await sharedStore(kind);
    const env = { RUNCAST_STORE: store.url, RUNCAST_SPOOL: "none" };
    nodes = await Promise.all([BuiltServer.start({ env }), BuiltServer.start({ env })]);
    proxy = await RealProxy.start(name, { nodes: nodes.map(({ url }) => Number(new URL(url).port)) });
  });
  afterAll(async () => {
    await proxy?.[Symbol.asyncDispose]();
    for (const node of nodes) await node[Symbol.asyncDispose]();
    await store?.[Symbol.asyncDispose]();
  });

  /** Who publishes and who reads knows the proxy only. The answer: what GETs were answered with meanwhile. */
  async function whileNodeGoes(prefix: string, go: () => Promise<void>): Promise<ReadonlySet<string>> {
    const users = userIds.map((userId) => `${prefix}-${userId}`);
    const publishers = publishFor(proxy, users, random);
    const clients = users.flatMap((userId) =>
      Array.from({ length: tabs }, () => ({ userId, tab: collect(userId, { url: proxy.url, from: "start" }) })),
    );
    await Promise.all(clients.map(({ tab }) => tab.has(1)));
    const statuses = new Set<string>();
    const token = await userToken(users[0] ?? "");
    let isOver = false;
    const reading = (async () => {
      while (!isOver) {
        const { status, text } = await get(proxy.url, "/v1/runs", token);
        statuses.add(status === ok ? "200" : `${status} ${text}`);
        await new Promise((resolve) => setTimeout(resolve, readEveryMs));
      }
    })();
    reading.catch(() => {});
    await go();
    for (const { tab } of clients) await tab.live();
    isOver = true;
    await reading;
    await publishers.end();
    for (const { userId, tab } of clients) {
      const stored = await expectWhole(proxy, userId, publishers);
      await tab.has(stored.length);
      expect(tab.seen.map(({ id }) => id)).toEqual(stored.map(({ id }) => id));
      tab.client.close();
    }
    return statuses;
  }

  describe(`two nodes on ${kind} behind ${name}`, () => {
    it("stand in for each other when one drains: readers move, nothing is lost or doubled, every GET is answered", async () => {
      const statuses = await whileNodeGoes("drained", async () => {
        expect(await nodes[0]?.terminate()).toMatchObject({ code: 0 });
      });
      await nodes[0]?.restart();
      expect([...statuses]).toEqual(["200"]);
    });

    it("stand in for each other when one is killed", async () => {
      const statuses = await whileNodeGoes("killed", async () => nodes[1]?.kill9());
      // What a node was just asked when it died has no other answer.
      expect([...statuses].filter((answer) => answer !== "200" && !answer.startsWith(unanswered))).toEqual([]);
      await nodes[1]?.restart();
    });
  });
}
