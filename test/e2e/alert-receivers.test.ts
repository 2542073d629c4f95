/** Rung 6 as an operator sets it: a variable, and receivers that are on a private network. */
import { describe, expect, it } from "vitest";
import { answers, Endpoint } from "../fallback/support/endpoint.ts";
import { BlackBox, thinking } from "../support/black-box.ts";
import { eventually } from "../support/eventually.ts";

const canary = "canary-0123456789-in-a-secret-place";

/** A server whose alerts go to one endpoint in both shapes, and something that the operator must know. */
async function alarmed(receiver: Endpoint, env: Readonly<Record<string, string>>): Promise<BlackBox> {
  const target = receiver.url(`/${canary}`);
  const urls = `alertmanager+${target},slack+${target}/slack`;
  const box = await BlackBox.start({ env: { RUNCAST_ALERT_URL: urls, ...env } });
  const run = await box.start();
  const data = { ...thinking.data, thought: "x", recipientId: "bob" };
  const refused = await box.publish(`runs/${run.runId}/events`, {
    fence: run.fence,
    events: [{ type: "x.note", data }],
  });
  expect(refused.status).toBe(422);
  return box;
}

describe("the operator's alert receivers", () => {
  it("are told by the built server, and no line of it holds their secrets", async () => {
    await using receiver = await Endpoint.open(answers(200, {}, "ok"));
    await using box = await alarmed(receiver, { RUNCAST_EGRESS_ALLOW: `127.0.0.1:${receiver.port}` });
    await eventually(() => expect(new Set(receiver.hits.map(({ path }) => path)).size).toBe(2));
    const bodyAt = (path: string) =>
      JSON.parse(receiver.hits.find((hit) => hit.path === path)?.body.toString() ?? "null") as unknown;
    expect(bodyAt(`/${canary}/api/v2/alerts`)).toMatchObject([
      { labels: { alertname: "ContaminationRefused", severity: "critical", service: "runcast" } },
    ]);
    expect(bodyAt(`/${canary}/slack`)).toMatchObject({
      text: expect.stringContaining("ContaminationRefused"),
      blocks: expect.any(Array),
    });
    expect(box.server.stdout + box.server.stderr).not.toContain(canary);
  });

  it("are not called where the operator has not said that they may be", async () => {
    await using receiver = await Endpoint.open(answers(200));
    await using box = await alarmed(receiver, {});
    await eventually(() => expect(box.server.stderr).toContain("it may not be called"));
    expect(receiver.connections).toBe(0);
    expect(box.server.stdout + box.server.stderr).not.toContain(canary);
  });
});
