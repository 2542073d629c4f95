/**
 * The runtime as layers: an event log below, the parts above. Building opens the doors; releasing drains, so
 * whoever holds the scope cannot forget it.
 */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { LogUnavailable } from "../errors.ts";
import type { RunRecord } from "../log/event-log.ts";
import { EventLogTag } from "../log/layer.ts";
import type { RuntimeParts } from "./runtime-parts.ts";
import { makeRuntime } from "./make-runtime.ts";
import type { RuntimeOptions } from "./options.ts";
import { Runtime } from "./runtime.ts";

export interface RuntimeLayerOptions extends Omit<RuntimeOptions, "log"> {
  /** Hears of every run that a former process left unfinished, one by one while the doors are open. */
  readonly onOrphan?: ((record: RunRecord) => void) | undefined;
}

/** The assembled parts; `Runtime` is the face that the gateway sees. */
export class Parts extends Context.Service<Parts, RuntimeParts>()("runcast/runtime/Parts") {}

export const partsLayer = ({
  onOrphan,
  ...options
}: RuntimeLayerOptions): Layer.Layer<Parts, LogUnavailable, EventLogTag> =>
  Layer.effect(
    Parts,
    Effect.gen(function* () {
      const log = yield* EventLogTag;
      const parts = makeRuntime({ ...options, log });
      yield* Effect.addFinalizer(() => parts.service.drain);
      yield* Effect.tryPromise({ try: () => parts.recover(), catch: (cause) => cause }).pipe(
        Effect.catch((cause) => (cause instanceof LogUnavailable ? Effect.fail(cause) : Effect.die(cause))),
      );
      yield* Effect.promise(() => parts.prepare());
      // The doors are open; a store full of unfinished runs is looked through behind them.
      void parts.start(onOrphan);
      return parts;
    }),
  );

export const runtimeLayer: Layer.Layer<Runtime, never, Parts> = Layer.effect(
  Runtime,
  Effect.map(Parts, (parts) => parts.service),
);
