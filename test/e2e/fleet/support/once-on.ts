/** What three nodes on one store, whichever it is, tell by webhook, push, e-mail and alert: once, also when they die. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { newVapidKeys } from "../../../../src/fallback/vapid.ts";
import { makeCertificate } from "../../../fallback/support/certificate.ts";
import type { Hit } from "../../../fallback/support/endpoint.ts";
import { answers, Endpoint, hangs } from "../../../fallback/support/endpoint.ts";
import { MailServer } from "../../../fallback/support/mail-server.ts";
import { PushService } from "../../../fallback/support/push-service.ts";
import { userToken } from "../../../support/built-server.ts";
import { ask, say, startRun } from "../../../support/fleet/calls.ts";
import type { FleetNode } from "../../../support/fleet/fleet.ts";
import { Fleet } from "../../../support/fleet/fleet.ts";
import type { StoreKind } from "../../../support/fleet/fleet-store.ts";
import { SocketLine } from "../../../support/fleet/socket-line.ts";
import { until } from "../../../support/fleet/until.ts";
import { call } from "../../../support/http-reader.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const nodeCount = 3;
/** Longer than an ack takes into the log, also on a machine with other work. */
const ackWaitMs = 1_500;
const absentUsers = 6;
/** `TAKEOVER_MS=180000`: waits until the claim of a node that was killed while it called has run out. */
const takeOverMs = Number(process.env["TAKEOVER_MS"] ?? 0);
/** On a machine with other work. */
const patienceMs = 120_000 + 2 * takeOverMs;
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

/** Each node tells by a path and a mail server of its own: what comes says who sent it. */
class Outlets implements AsyncDisposable {
  readonly webhook: Endpoint;
  readonly operator: Endpoint;
  readonly push: Endpoint["hits"] = [];
  readonly mails: MailServer[] = [];
  /** Mails that were taken whole, by node. */
  readonly taken: number[] = [];
  isMailHanging = false;
  readonly #folder = mkdtempSync(join(tmpdir(), "runcast-once-"));
  readonly #pushServer;
  readonly #keys = newVapidKeys();

  private constructor(webhook: Endpoint, operator: Endpoint) {
    this.webhook = webhook;
    this.operator = operator;
    const certificate = makeCertificate();
    writeFileSync(join(this.#folder, "ca.pem"), certificate.cert);
    this.#pushServer = createServer(certificate, (request, response) => {
      const { method = "", url: path = "", headers } = request;
      this.push.push({ method, path, headers, body: Buffer.alloc(0) });
      request.resume().on("end", () => response.writeHead(201).end());
    });
  }

  static async open(): Promise<Outlets> {
    const outlets = new Outlets(await Endpoint.open(answers(204)), await Endpoint.open(answers(200)));
    outlets.#pushServer.listen(0, "127.0.0.1");
    await once(outlets.#pushServer, "listening");
    for (let node = 0; node < nodeCount; node += 1) {
      outlets.taken.push(0);
      outlets.mails.push(
        await MailServer.open({
          onData: (stream, _session, answer) => {
            stream.resume();
            stream.on("end", () => {
              outlets.taken[node] = (outlets.taken[node] ?? 0) + 1;
              // It has the whole mail, and its answer never comes.
              if (!outlets.isMailHanging) answer();
            });
          },
        }),
      );
    }
    return outlets;
  }

  get pushPort(): number {
    return (this.#pushServer.address() as AddressInfo).port;
  }

  get mailCount(): number {
    return this.taken.reduce((sum, count) => sum + count, 0);
  }

  env(node: number): Readonly<Record<string, string>> {
    return {
      RUNCAST_ACK_WAIT_MS: String(ackWaitMs),
      RUNCAST_EGRESS_ALLOW: `127.0.0.1:${this.webhook.port},127.0.0.1:${this.operator.port},127.0.0.1:${this.pushPort}`,
      RUNCAST_WEBHOOK_URL: this.webhook.url(`/node-${node}`),
      RUNCAST_WEBHOOK_SECRET: "the-secret-of-the-webhooks-of-the-tests-01234",
      RUNCAST_SMTP_URL: this.mails[node]?.url() ?? "",
      RUNCAST_MAIL_FROM: "Runcast <runcast@example.com>",
      RUNCAST_VAPID_SUBJECT: "mailto:operator@example.com",
      RUNCAST_VAPID_PUBLIC_KEY: this.#keys.publicKey,
      RUNCAST_VAPID_PRIVATE_KEY: this.#keys.privateKey,
      RUNCAST_PUSH_ALLOW: `127.0.0.1:${this.pushPort}`,
      RUNCAST_ALERT_URL: `alertmanager+${this.operator.url()}`,
      NODE_EXTRA_CA_CERTS: join(this.#folder, "ca.pem"),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const mail of this.mails) await mail[Symbol.asyncDispose]();
    this.#pushServer.closeAllConnections();
    this.#pushServer.close();
    await this.webhook[Symbol.asyncDispose]();
    await this.operator[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

interface Row {
  readonly state: string;
  readonly eventId: string;
  readonly inDoubt?: true;
  readonly told?: { readonly channel: string };
}

export function onceOn(kind: StoreKind): void {
  describe(`what three nodes on one ${kind} tell by other ways (SEED=${seed})`, () => {
    const random = seededRandom(seed);
    let outlets: Outlets;
    let fleet: Fleet;
    beforeAll(async () => {
      outlets = await Outlets.open();
      fleet = await Fleet.start(kind, { nodes: nodeCount, random, env: (node) => outlets.env(node) });
    });
    afterEach(async ({ task }) => {
      if (task.result?.state === "fail") console.error(fleet.said());
      outlets.webhook.answer = answers(204);
      outlets.isMailHanging = false;
      for (const node of fleet.nodes) if (!node.isIn) await fleet.startAgain(node);
    });
    afterAll(async () => {
      await fleet?.[Symbol.asyncDispose]();
      await outlets?.[Symbol.asyncDispose]();
    });

    const rowsOf = async (userId: string): Promise<readonly Row[]> =>
      (await ask(fleet.anyNode(), `GET /v1/outbox?userId=${userId}`)).body.rows;
    const finish = async (node: FleetNode, userId: string): Promise<void> => {
      const run = await startRun(node, { userId });
      expect((await say(node, run, { type: "agent_completed", data: {} })).status).toBe(200);
    };
    const hitsOf = (userId: string): readonly Hit[] =>
      outlets.webhook.hits.filter(({ body }) => JSON.parse(body.toString()).userId === userId);
    const told = (userId: string, timeoutMs = 40_000): Promise<Row> =>
      until(`${userId} is told`, async () => (await rowsOf(userId)).find(({ state }) => state === "told"), timeoutMs);
    const nodeOf = ({ path }: Hit): FleetNode => fleet.node(Number(path.slice("/node-".length)));
    const setFlags = async (flags: Readonly<Record<string, unknown>>): Promise<void> => {
      expect((await ask(fleet.anyNode(), "PATCH /v1/flags", flags)).status).toBe(200);
      await until("every node has the flags", async () => {
        const all = await Promise.all(fleet.nodes.filter(({ isIn }) => isIn).map((node) => ask(node, "GET /v1/flags")));
        return all.every(({ body }) => Object.entries(flags).every(([name, value]) => body.flags[name] === value));
      });
    };

    it("is told once by the webhook, whichever node the event came through", { timeout: patienceMs }, async () => {
      const userIds = Array.from({ length: absentUsers }, (_, at) => `absent-${at}`);
      await Promise.all(userIds.map((userId) => finish(fleet.anyNode(), userId)));
      for (const userId of userIds) {
        const row = await told(userId);
        expect(hitsOf(userId).map(({ headers }) => headers["webhook-id"])).toEqual([row.eventId]);
      }
    });

    it("is told to nobody who reads along at another node", { timeout: patienceMs }, async () => {
      const token = await userToken("reader");
      const welcomed = Promise.withResolvers<void>();
      const line = new SocketLine(
        { url: fleet.node(1).url, anyUrl: () => fleet.anyUrl(), token, device: "reader-tab", cursor: undefined },
        {
          frame: (frame) => {
            if (frame.type === "welcome") welcomed.resolve();
            if (frame.type === "events") line.ack(frame.upto);
          },
          ended: () => {},
        },
      );
      await welcomed.promise;
      await finish(fleet.node(0), "reader");
      await until("nothing waits any more", async () => (await rowsOf("reader")).length === 0);
      expect(hitsOf("reader")).toEqual([]);
      line.close();
    });

    it("goes by web push once", { timeout: patienceMs }, async () => {
      await using browser = await PushService.open();
      const { subscription } = browser.subscribe();
      const body = { ...subscription, endpoint: `https://127.0.0.1:${outlets.pushPort}/push/pia` };
      const put = await call(fleet.node(2).url, "POST /v1/push/subscriptions", { as: await userToken("pia"), body });
      expect(put.status, put.text).toBeLessThan(300);
      await finish(fleet.node(0), "pia");
      expect((await told("pia")).told?.channel).toBe("web-push");
      expect(outlets.push).toHaveLength(1);
      expect(hitsOf("pia")).toEqual([]);
    });

    it("stays with the node that calls when that one is killed, until its claim has run out", {
      timeout: patienceMs,
    }, async () => {
      outlets.webhook.answer = hangs;
      await finish(fleet.anyNode(), "kim");
      const first = await until("a node calls", () => hitsOf("kim")[0]);
      outlets.webhook.answer = answers(204);
      await fleet.kill9(nodeOf(first));
      await finish(fleet.anyNode(), "ken");
      await told("ken");
      expect(await rowsOf("kim")).toMatchObject([{ state: "trying" }]);
      expect(hitsOf("kim")).toHaveLength(1);
      if (takeOverMs === 0) return;
      const row = await told("kim", takeOverMs);
      expect(hitsOf("kim").map(({ headers }) => headers["webhook-id"])).toEqual([row.eventId, row.eventId]);
    });

    it("is not mailed again when the node that mails is killed, and is in doubt", { timeout: patienceMs }, async () => {
      await setFlags({ "fallbacks.webhook": false });
      const contact = await ask(fleet.node(0), "PUT /v1/contacts", { userId: "lee", email: "lee@example.com" });
      expect(contact.status).toBeLessThan(300);
      outlets.isMailHanging = true;
      const counts = [...outlets.taken];
      const before = outlets.mailCount;
      await finish(fleet.anyNode(), "lee");
      await until("a mail is taken", () => outlets.mailCount > before);
      outlets.isMailHanging = false;
      await fleet.kill9(fleet.node(outlets.taken.findIndex((count, at) => count > (counts[at] ?? 0))));
      await setFlags({ "fallbacks.webhook": true });
      await finish(fleet.anyNode(), "liz");
      await told("liz");
      expect(await rowsOf("lee")).toMatchObject([{ state: "trying" }]);
      if (takeOverMs > 0) expect(await told("lee", takeOverMs)).toMatchObject({ inDoubt: true });
      expect(outlets.mailCount).toBe(before + 1);
    });

    it("is mailed once", { timeout: patienceMs }, async () => {
      await setFlags({ "fallbacks.webhook": false });
      const userIds = Array.from({ length: absentUsers }, (_, at) => `mailed-${at}`);
      const before = outlets.mailCount;
      for (const userId of userIds)
        await ask(fleet.anyNode(), "PUT /v1/contacts", { userId, email: `${userId}@example.com` });
      await Promise.all(userIds.map((userId) => finish(fleet.anyNode(), userId)));
      for (const userId of userIds) expect((await told(userId)).told?.channel).toBe("email");
      expect(outlets.mailCount).toBe(before + absentUsers);
      await setFlags({ "fallbacks.webhook": true });
    });

    it("alerts the operator once", { timeout: patienceMs }, async () => {
      const names = (): unknown[] =>
        outlets.operator.hits.flatMap(({ body }) =>
          (JSON.parse(body.toString()) as { labels: Record<string, string>; endsAt?: string }[])
            .filter(({ endsAt }) => endsAt === undefined || Date.parse(endsAt) > Date.now())
            .map(({ labels }) => labels["alertname"]),
        );
      for (const node of fleet.nodes) {
        const run = await startRun(node, { userId: "mia" });
        expect((await say(node, run, { type: "x.note", data: { userId: "somebody" } })).status).toBe(422);
      }
      await until("the operator hears of it", () => names().includes("ContaminationRefused"));
      // Whoever else would tell of it has had the time.
      await finish(fleet.node(1), "ned");
      await told("ned");
      expect(names().filter((name) => name === "ContaminationRefused")).toHaveLength(1);
    });
  });
}
