import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { apiKeys, BuiltServer, stablePort } from "../support/built-server.ts";

interface PostedAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt?: string;
}

/** An Alertmanager that can be opened later, on a port that is known before. */
class Receiver implements AsyncDisposable {
  readonly alerts: PostedAlert[] = [];
  readonly port: number;
  private server: Server | undefined;

  constructor(port: number) {
    this.port = port;
  }

  async open(): Promise<void> {
    const server = createServer((request, response) => {
      let text = "";
      request.on("data", (chunk) => {
        text += String(chunk);
      });
      request.on("end", () => {
        this.alerts.push(...(JSON.parse(text) as PostedAlert[]));
        response.end("{}");
      });
    });
    this.server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
  }

  /** Of one name, as `begins` and `ends`. */
  of(name: string): string[] {
    return this.alerts
      .filter(({ labels }) => labels["alertname"] === name)
      .map(({ endsAt }) => (endsAt === undefined || Date.parse(endsAt) > Date.now() ? "begins" : "ends"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => (this.server ? this.server.close(resolve) : resolve(undefined)));
  }
}

describe("an alert that nobody takes", () => {
  it("waits in the spool over kill -9, and is told once when somebody is there", async () => {
    await using receiver = new Receiver(await stablePort());
    await using server = await BuiltServer.start({
      env: {
        RUNCAST_ALERT_URL: `alertmanager+http://127.0.0.1:${receiver.port}`,
        RUNCAST_EGRESS_ALLOW: `127.0.0.1:${receiver.port}`,
      },
    });
    const call = async (method: string, path: string, body?: unknown) => {
      const answer = await fetch(server.url + path, {
        method,
        headers: { authorization: `Bearer ${apiKeys.both}` },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return { status: answer.status, body: await answer.json() };
    };
    await call("POST", "/v1/runs", { userId: "alice", agent: "a", runId: "run-1" });
    const refused = await call("POST", "/v1/runs/run-1/events", {
      fence: 1,
      events: [{ type: "agent_progress", data: { message: "canary-payload", userId: "bob" } }],
    });
    expect(refused.status).toBe(422);
    const { body: before } = await call("GET", "/v1/alerts");
    expect(before).toMatchObject({ health: "red", alerts: [{ name: "ContaminationRefused" }] });
    expect(Object.values(before.waiting)).toMatchObject([[{ name: "ContaminationRefused", state: "firing" }]]);

    const spool = join(server.directory, "spool");
    const kept = (): string =>
      readdirSync(spool, { recursive: true, encoding: "utf8" })
        .filter((name) => basename(name) === "alerts")
        .map((name) => readFileSync(join(spool, name), "utf8"))
        .join();
    await expect.poll(kept).toContain("ContaminationRefused");
    await server.kill9();
    await receiver.open();
    await server.restart();
    await expect.poll(() => receiver.of("ContaminationRefused"), { timeout: 10_000 }).toEqual(["begins"]);
    // It holds still as far as anybody knows, and is not told a second time.
    const { body: after } = await call("GET", "/v1/alerts");
    expect(after).toMatchObject({ health: "red", alerts: [{ startedAt: before.alerts[0].startedAt }] });
    await expect.poll(async () => Object.values((await call("GET", "/v1/alerts")).body.waiting)).toEqual([[]]);
    await server.terminate();
    await server.restart();
    await expect.poll(async () => (await call("GET", "/v1/alerts")).body.alerts.length).toBe(1);
    await server.terminate();
    expect(receiver.of("ContaminationRefused")).toEqual(["begins"]);
    expect(kept() + server.stderr).not.toContain("canary-payload");
  });
});
