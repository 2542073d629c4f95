import { describe, expect, it } from "vitest";
import { alertmanagerSink } from "../../src/fallback/alertmanager.ts";
import { slackSink } from "../../src/fallback/slack.ts";
import type { ToldAlert } from "../../src/telemetry/alerts.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { answers, Endpoint, hangs } from "./support/endpoint.ts";
import { never, notTaken } from "./support/notices.ts";

const firing: ToldAlert = {
  name: "BreakerOpen",
  severity: "critical",
  summary: "the breaker of the log is open for 61 s",
  labels: { breaker: "log", "8 odd-name": "x" },
  state: "firing",
  startedAt: "2026-01-01T00:00:00.000Z",
};
const resolved: ToldAlert = {
  name: "FallbackUsed",
  severity: "warning",
  summary: "6 % of the events took a fallback",
  state: "resolved",
  startedAt: "2026-01-01T00:00:00.000Z",
  endedAt: "2026-01-01T00:05:00.000Z",
};
const bodyOf = (endpoint: Endpoint): unknown => JSON.parse(endpoint.last.body.toString());

describe("the Alertmanager sink", () => {
  it("posts alerts as Alertmanager's API has them", async () => {
    await using endpoint = await Endpoint.open(answers(200));
    const clock = manualClock(Date.UTC(2026, 0, 1, 1));
    const sink = alertmanagerSink({
      url: endpoint.url("/prefix/"),
      allow: "127.0.0.1",
      clock,
      generatorUrl: "https://runcast.example/",
    });
    expect(sink.name).toBe("alertmanager");
    await sink.send([firing, resolved], never);
    expect(endpoint.last.path).toBe("/prefix/api/v2/alerts");
    expect(endpoint.last.headers).toMatchObject({ "content-type": "application/json" });
    expect(endpoint.last.headers).not.toHaveProperty("authorization");
    expect(bodyOf(endpoint)).toEqual([
      {
        labels: {
          alertname: "BreakerOpen",
          severity: "critical",
          service: "runcast",
          breaker: "log",
          _8_odd_name: "x",
        },
        annotations: { summary: "the breaker of the log is open for 61 s" },
        startsAt: "2026-01-01T00:00:00.000Z",
        // Else Alertmanager takes it for over after five minutes.
        endsAt: "2026-01-02T01:00:00.000Z",
        generatorURL: "https://runcast.example/",
      },
      {
        labels: { alertname: "FallbackUsed", severity: "warning", service: "runcast" },
        annotations: { summary: "6 % of the events took a fallback" },
        startsAt: "2026-01-01T00:00:00.000Z",
        endsAt: "2026-01-01T00:05:00.000Z",
        generatorURL: "https://runcast.example/",
      },
    ]);
  });

  it("logs in where the URL has a user and a password", async () => {
    await using endpoint = await Endpoint.open();
    const url = endpoint.url("/").replace("//", "//ops:p%40ss@");
    await alertmanagerSink({ url, allow: "127.0.0.1" }).send([firing], never);
    expect(endpoint.last.headers.authorization).toBe(`Basic ${Buffer.from("ops:p@ss").toString("base64")}`);
  });

  it("lets no label take the place of the alert's name", async () => {
    await using endpoint = await Endpoint.open();
    const labels = { alertname: "Other", severity: "none", service: "x" };
    await alertmanagerSink({ url: endpoint.url(), allow: "127.0.0.1" }).send([{ ...firing, labels }], never);
    expect(bodyOf(endpoint)).toMatchObject([
      { labels: { alertname: "BreakerOpen", severity: "critical", service: "runcast" } },
    ]);
  });
});

describe("the Slack sink", () => {
  it("posts one message with a block for each alert", async () => {
    await using endpoint = await Endpoint.open(answers(200, {}, "ok"));
    const sink = slackSink({ url: endpoint.url("/services/T/B/x"), allow: "127.0.0.1" });
    expect(sink.name).toBe("slack");
    await sink.send([firing, resolved], never);
    expect(endpoint.last.path).toBe("/services/T/B/x");
    expect(bodyOf(endpoint)).toEqual({
      text: "Runcast: BreakerOpen (critical): the breaker of the log is open for 61 s | FallbackUsed (resolved): 6 % of the events took a fallback",
      blocks: [
        {
          type: "section",
          text: {
            type: "mrkdwn",
            text: ":rotating_light: *BreakerOpen* (critical)\nthe breaker of the log is open for 61 s",
          },
        },
        {
          type: "context",
          elements: [
            { type: "plain_text", text: "breaker: log · 8 odd-name: x · since 2026-01-01T00:00:00.000Z", emoji: false },
          ],
        },
        {
          type: "section",
          text: {
            type: "mrkdwn",
            text: ":white_check_mark: *FallbackUsed* (resolved)\n6 % of the events took a fallback",
          },
        },
        {
          type: "context",
          elements: [
            { type: "plain_text", text: "2026-01-01T00:00:00.000Z to 2026-01-01T00:05:00.000Z", emoji: false },
          ],
        },
      ],
    });
  });

  it("calls nobody by a name that stands in a summary, and stays within what Slack takes", async () => {
    await using endpoint = await Endpoint.open();
    const loud = { ...firing, summary: `<!channel> <https://evil.example|here> & ${"a".repeat(9_000)}` };
    await slackSink({ url: endpoint.url(), allow: "127.0.0.1" }).send(
      Array.from({ length: 90 }, () => loud),
      never,
    );
    const text = endpoint.last.body.toString();
    expect(text).not.toMatch(/<!channel>|<https/);
    const { blocks } = bodyOf(endpoint) as { blocks: readonly { text?: { text: string } }[] };
    expect(blocks.length).toBeLessThanOrEqual(50);
    for (const block of blocks) expect(block.text?.text.length ?? 0).toBeLessThanOrEqual(3_000);
    expect(blocks.at(-1)).toMatchObject({ text: { text: "and 70 more" } });
  });

  it("says nothing when there is nothing to say", async () => {
    await using endpoint = await Endpoint.open();
    await slackSink({ url: endpoint.url(), allow: "127.0.0.1" }).send([], never);
    expect(endpoint.hits).toEqual([]);
  });
});

describe("an alert sink", () => {
  const canary = "canary-token";
  const sinks = [alertmanagerSink, slackSink];

  it("rejects when the other side does not take it, and tells no secret of its URL", async () => {
    await using endpoint = await Endpoint.open(answers(503, {}, canary));
    for (const make of sinks) {
      const url = endpoint.url(`/services/${canary}`);
      const failure = await notTaken(make({ url, allow: "127.0.0.1" }).send([firing], never));
      expect(failure.message).toMatch(/^(Alertmanager|Slack) answered 503$/);
      const inside = await notTaken(make({ url }).send([firing], never));
      expect(inside.reason).toBe("target");
      for (const each of [failure, inside]) expect(`${each.stack} ${JSON.stringify(each)}`).not.toContain(canary);
    }
    expect(endpoint.hits).toHaveLength(2);
  });

  it("gives up when it is told to", async () => {
    await using endpoint = await Endpoint.open(hangs);
    for (const make of sinks) {
      const given = new AbortController();
      endpoint.answer = () => given.abort();
      const failure = await notTaken(make({ url: endpoint.url(), allow: "127.0.0.1" }).send([firing], given.signal));
      expect(failure.reason).toBe("aborted");
    }
  });

  it("is not made of what is no URL, and does not show it", () => {
    for (const make of sinks) {
      for (const url of [canary, `ftp://${canary}@a.example`]) {
        expect(() => make({ url })).toThrow(/must be/);
        expect(() => make({ url })).not.toThrow(canary);
      }
    }
    expect(() => alertmanagerSink({ url: `https://%zz:${canary}@a.example` })).toThrow("percent-encoded");
    expect(() => slackSink({ url: `https://a:${canary}@a.example` })).toThrow("without user and password");
  });
});
