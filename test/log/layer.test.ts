import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import { describe, expect, it } from "vitest";
import { LogUnavailable } from "../../src/errors.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { EventLogTag, eventLogLayer, memoryLogLayer, sqliteLogLayer } from "../../src/log/layer.ts";
import { rejection } from "../../src/testing/event-log/law.ts";
import { alice, notice, write } from "../../src/testing/event-log/sample.ts";

const useLog = Effect.gen(function* () {
  const log = yield* EventLogTag;
  yield* Effect.promise(() => write(log, notice(alice, "a")));
  return log;
});

describe("EventLogTag", () => {
  it("gives the log for its scope and closes it at the end", async () => {
    const log: EventLog = await Effect.runPromise(Effect.provide(useLog, memoryLogLayer()));
    expect(await rejection(log.append(notice(alice, "late")))).toMatchObject({ _tag: "LogUnavailable" });
  });

  it("fails as expected when the store cannot be opened", async () => {
    const failed = await Effect.runPromise(
      Effect.flip(Effect.provide(useLog, sqliteLogLayer({ path: "/nowhere/at/all/log.db" }))),
    );
    expect(failed).toMatchObject({ _tag: "InvalidConfig", setting: "store" });
  });

  it("calls an adapter's own failure LogUnavailable", async () => {
    const layer = eventLogLayer(() => Promise.reject(new Error("refused by the host")));
    const exit = await Effect.runPromiseExit(Effect.provide(useLog, layer));
    expect(Exit.isFailure(exit)).toBe(true);
    expect(await Effect.runPromise(Effect.flip(Effect.provide(useLog, layer)))).toBeInstanceOf(LogUnavailable);
  });
});
