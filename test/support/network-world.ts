/**
 * The built server, a TCP proxy before it, and a publisher that goes past the proxy: what a user's device meets on a
 * bad network, while the log is written without a fault. The log is the oracle.
 */
import { expect } from "vitest";
import type { StreamEvent } from "../../protocol/event.ts";
import type { Started } from "./black-box.ts";
import { BlackBox } from "./black-box.ts";
import { apiKeys, type BuiltServerOptions, userToken } from "./built-server.ts";
import type { CollectingClient } from "./collecting-client.ts";
import { eventually } from "./eventually.ts";
import { readAll } from "./http-reader.ts";
import { TcpProxy } from "./tcp-proxy.ts";

export interface Ledger {
  readonly accepted: number;
  readonly acked: number;
  readonly stored: number;
  readonly deadLettered: number;
  readonly difference: number;
}

export class NetworkWorld implements AsyncDisposable {
  readonly box: BlackBox;
  readonly proxy: TcpProxy;

  private constructor(box: BlackBox, proxy: TcpProxy) {
    this.box = box;
    this.proxy = proxy;
  }

  static async open(options?: BuiltServerOptions): Promise<NetworkWorld> {
    const box = await BlackBox.start(options);
    return new NetworkWorld(box, await TcpProxy.listen(() => box.url));
  }

  /** Publishes deltas of one message, in one call; the text has characters of one to four bytes. */
  async say(run: Started, ...names: readonly (string | number)[]): Promise<number> {
    const events = names.map((name) => ({
      type: "agent_delta",
      data: { messageId: "m", channel: "text", text: `«${name}» €😀 ` },
    }));
    const answer = await this.box.say(run, events);
    if (answer.status !== 200) throw new Error(`the publish was refused: ${answer.status} ${answer.text}`);
    return answer.body.offset;
  }

  /** All that the log has of this user. */
  async log(userId: string): Promise<StreamEvent[]> {
    return readAll(this.box.url, "/v1/events", await userToken(userId), 1_000);
  }

  async ledger(userId: string): Promise<Ledger> {
    return (await this.box.call(`GET /v1/ledger?userId=${encodeURIComponent(userId)}`, { as: apiKeys.admin })).body;
  }

  /** A figure of `/metrics`. */
  async metric(name: string): Promise<number> {
    const { text } = await this.box.call("GET /metrics");
    const found = new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1];
    if (found === undefined) throw new Error(`there is no metric ${name}`);
    return Number(found);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.box[Symbol.asyncDispose]();
  }
}

/** Until everything of this user is acknowledged, and nothing is lost on the way (I11). */
export async function expectSettled(world: NetworkWorld, userId: string): Promise<void> {
  await eventually(async () =>
    expect(await world.ledger(userId)).toMatchObject({ stored: 0, deadLettered: 0, difference: 0 }),
  );
}

/** No hole was met, nothing may repeat, and the run looks as it does on the server (L4, L9). */
export async function expectFolded(world: NetworkWorld, { client }: CollectingClient, run: Started): Promise<void> {
  expect(client.status).toMatchObject({ holes: 0, doubles: 0, mayRepeat: false });
  const { body } = await world.box.call(`GET /v1/runs/${run.runId}`, { as: apiKeys.admin });
  expect(client.run(run.runId).view).toEqual(body);
}

/** What the application was handed is the log, whole, in order and once; the fold is the server's (I4, I5, L9). */
export async function expectWhole(
  world: NetworkWorld,
  app: CollectingClient,
  userId: string,
  run: Started,
): Promise<void> {
  const log = await world.log(userId);
  await app.has(log.length);
  expect(app.seen).toEqual(log);
  await expectFolded(world, app, run);
}
