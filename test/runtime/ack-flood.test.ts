import { describe, expect, it } from "vitest";
import { note } from "../support/events.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

describe("a window", () => {
  it("takes a million acks in its stride", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest({ windowEvents: 5 });
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(
      runId,
      1,
      Array.from({ length: 20 }, () => note()),
    );
    await settle();
    for (let count = 0; count < 1_000_000; count += 1) tab.connection.receive({ type: "ack", offset: count % 8 });
    await settle();
    const offsets = tab.events().map(({ offset }) => offset);
    expect(offsets.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, at) => at + 1));
    expect(tab.transport.ended).toBeUndefined();
  });
});
