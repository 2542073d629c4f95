import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { eventLogLayer, EventLogTag } from "../../src/log/layer.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { rejection } from "../../src/testing/event-log/law.ts";
import { alice, notice } from "../../src/testing/event-log/sample.ts";

describe("a log that cannot answer", () => {
  it("says that it is closed, and when to ask again", async () => {
    const log = memoryLog();
    await log.close();
    const failure = await rejection(log.append(notice(alice, "late")));
    expect(failure).toMatchObject({ _tag: "LogUnavailable", message: "the event log is closed", retryAfterMs: 1_000 });
  });

  it("says that it cannot be opened, with what the adapter said as its cause", async () => {
    const cause = new Error("refused by the host");
    const opening = Effect.provide(
      EventLogTag,
      eventLogLayer(() => Promise.reject(cause)),
    );
    expect(await Effect.runPromise(Effect.flip(opening))).toMatchObject({
      _tag: "LogUnavailable",
      message: "the event log cannot be opened",
      retryAfterMs: 1_000,
      cause,
    });
  });
});
