import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { RuncastContext, RuncastProvider, useClient, useConnection, useRun, useRuns } from "../../src/client/react.ts";
import { clientUnderTest, untilState, untilStatus, welcomed } from "../support/client-under-test.ts";
import { oneRun } from "../support/sample-stream.ts";

function Page() {
  const { state, cursor } = useConnection();
  return `${state} ${cursor?.offset ?? "-"} ${useRun("r-1")?.state ?? "none"} ${useRuns().length}`;
}

describe("react hooks", () => {
  it("render what the client knows", async () => {
    await using world = await clientUnderTest({ from: "start" });
    (await welcomed(world.server, { head: 3 })).events(oneRun("r-1").slice(0, 3));
    await untilStatus(world.client, ({ cursor }) => cursor?.offset === 3);
    const page = createElement(RuncastContext.Provider, { value: world.client }, createElement(Page));
    expect(renderToString(page)).toBe("live 3 toolExecuting 1");
  });

  it("open nothing while they render: on a server there is no connection", () => {
    let asked = 0;
    const token = (): string => {
      asked += 1;
      return "token";
    };
    const page = createElement(RuncastProvider, { url: "http://127.0.0.1:1", token }, createElement(Page));
    expect(renderToString(page)).toBe("stopped - none 0");
    expect(asked).toBe(0);
  });

  it("need a provider", () => {
    const Orphan = () => useClient().status.state;
    expect(() => renderToString(createElement(Orphan))).toThrow("RuncastProvider");
  });

  it("have values that stay the same object until something changes", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const connection = await welcomed(world.server);
    await untilState(world.client, "live");
    const { status } = world.client;
    const runs = world.client.runs();
    connection.send({ type: "pong" });
    await connection.settled();
    expect([world.client.status === status, world.client.runs() === runs]).toEqual([true, true]);
  });

  it("survive a double mount with one socket and one question for the token", async () => {
    let asked = 0;
    const token = (): string => {
      asked += 1;
      return "token";
    };
    await using world = await clientUnderTest({ autoStart: false, token });
    world.client.start();
    world.client.close();
    world.client.start();
    await welcomed(world.server);
    await untilState(world.client, "live");
    expect([asked, world.server.connectionCount]).toEqual([1, 1]);
  });
});
