import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { thinking } from "../../support/black-box.ts";
import { apiKeys, BuiltServer, jwtSecret, mainFile, userToken } from "../../support/built-server.ts";
import { HttpPublisher } from "../../support/http-publisher.ts";
import { readAll } from "../../support/http-reader.ts";

const patienceMs = 20_000;
const storeOf = ({ directory }: BuiltServer): string => join(directory, "runcast.db");

let first: BuiltServer;
beforeAll(async () => {
  first = await BuiltServer.start();
});
afterAll(() => first[Symbol.asyncDispose]());

/** A second server on the same store, run to its end. */
async function second(): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [mainFile, "serve"], {
    cwd: first.directory,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"] ?? "",
      NO_COLOR: "1",
      RUNCAST_PORT: "0",
      RUNCAST_STORE: `sqlite:${storeOf(first)}`,
      RUNCAST_JWT_SECRET: jwtSecret,
    },
  });
  const text = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    child[stream].setEncoding("utf8").on("data", (chunk: string) => {
      text[stream] += chunk;
    });
  // One that was let in would stay.
  const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  return { code, ...text };
}

const isInUse = {
  code: 1,
  stdout: "",
  stderr: expect.stringMatching(/^runcast serve: .*is in use by another process\n$/),
};

describe("a store that a server has open (I17)", () => {
  it("is refused to a second server, in one line, and the first goes on as if nothing had been", async () => {
    const publisher = new HttpPublisher(first.url);
    const run = await publisher.startRun({ userId: "alice", runId: "alice-1" });
    const before = await publisher.publish(run, [thinking]);
    expect(await second()).toMatchObject(isInUse);
    const after = await publisher.publish(run, [thinking]);
    expect([after.seq, publisher.repeats]).toEqual([before.seq + 1, 0]);
  });

  it("stays with a server that was paused: nobody takes over, and what it writes afterwards is its own", async () => {
    const publisher = new HttpPublisher(first.url);
    const run = await publisher.startRun({ userId: "bob", runId: "bob-1" });
    first.signal("SIGSTOP");
    // On its way while the server stands still.
    const waiting = publisher.publish(run, [thinking]);
    expect(await second()).toMatchObject(isInUse);
    first.signal("SIGCONT");
    expect(await waiting).toMatchObject({ seq: 2 });
    expect(await publisher.publish(run, [thinking])).toMatchObject({ seq: 3 });
    const log = await readAll(first.url, "/v1/events", await userToken("bob"));
    expect(log.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it("is free the moment its server is killed, and a runner that was fenced meanwhile stays out", async () => {
    const publisher = new HttpPublisher(() => first.url, apiKeys.both);
    const run = await publisher.startRun({ userId: "cy", runId: "cy-1" });
    await first.kill9();
    await first.restart();
    const claimed = await fetch(`${first.url}/v1/runs/cy-1/claim`, {
      method: "POST",
      headers: { authorization: `Bearer ${apiKeys.both}`, "content-type": "application/json" },
      body: "{}",
    });
    const { fence } = (await claimed.json()) as { fence: number };
    await expect(publisher.publish(run, [thinking])).rejects.toMatchObject({ status: 409 });
    expect(await publisher.publish({ runId: "cy-1", fence }, [thinking])).toMatchObject({ seq: 2 });
  });
});
