import { describe, expect, it } from "vitest";
import { Heartbeat } from "../../src/client/heartbeat.ts";
import { ManualTimers } from "../support/manual-timers.ts";

function heartbeatOf() {
  const timers = new ManualTimers();
  const said: string[] = [];
  const heartbeat = new Heartbeat(timers, { ping: () => said.push("ping"), dead: () => said.push("dead") });
  return { timers, said, heartbeat };
}

describe("heartbeat", () => {
  it("asks every interval and gives up after two unanswered pings", () => {
    const { timers, said, heartbeat } = heartbeatOf();
    heartbeat.start(2_000);
    timers.advance(4_000);
    expect(said).toEqual(["ping", "ping"]);
    timers.advance(2_000);
    expect(said).toEqual(["ping", "ping", "dead"]);
    expect(timers.waitsMs).toEqual([]);
  });

  it("takes any frame as an answer", () => {
    const { timers, said, heartbeat } = heartbeatOf();
    heartbeat.start(2_000);
    for (let beat = 0; beat < 6; beat += 1) {
      timers.advance(2_000);
      heartbeat.heard();
    }
    expect(said).toEqual(Array.from({ length: 6 }, () => "ping"));
  });

  it("is more patient after each link in a row that brought nothing, so that a large frame comes through", () => {
    const { timers, said, heartbeat } = heartbeatOf();
    const beatsToDeath = (): number => {
      said.length = 0;
      // The welcome comes before the heartbeat starts, and is no answer to it; a status comes right behind it on every link.
      heartbeat.heard();
      heartbeat.start(2_000);
      heartbeat.heard(true);
      for (let beats = 1; ; beats += 1) {
        timers.advance(2_000);
        if (said.includes("dead")) return beats;
      }
    };
    expect(Array.from({ length: 7 }, beatsToDeath)).toEqual([3, 5, 9, 17, 33, 33, 33]);
    heartbeat.start(2_000);
    heartbeat.heard();
    expect(beatsToDeath()).toBe(3);
  });

  it("takes one unanswered ping for a dead link when there is reason to doubt it", () => {
    const { timers, said, heartbeat } = heartbeatOf();
    heartbeat.start(30_000);
    heartbeat.probe();
    timers.advance(5_000);
    expect(said).toEqual(["ping", "dead"]);
  });

  it("lives on after a probe that was answered, and is never faster than once a second", () => {
    const { timers, said, heartbeat } = heartbeatOf();
    heartbeat.start(0);
    expect(timers.waitsMs).toEqual([1_000]);
    heartbeat.probe();
    heartbeat.heard();
    timers.advance(1_000);
    expect(said).toEqual(["ping", "ping"]);
    heartbeat.stop();
    expect(timers.waitsMs).toEqual([]);
  });
});
