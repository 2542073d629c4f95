/** An event log by its store's name, as the server opens it. */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Layer from "effect/Layer";
import * as Scope from "effect/Scope";
import { store as parseStore } from "../../src/config-values.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { EventLogTag } from "../../src/log/layer.ts";
import { storeLayer } from "../../src/log/store-layer.ts";

export interface OpenedLog {
  readonly log: EventLog;
  close(): Promise<void>;
}

export async function openLog(url: string, commit: "fsync" | "os"): Promise<OpenedLog> {
  const setting = { env: "RUNCAST_STORE", default: "", right: "the name of a store" };
  const store = await Effect.runPromise(parseStore({ text: url, called: "store" }, setting));
  const scope = Scope.makeUnsafe();
  const context = await Effect.runPromise(Layer.build(storeLayer(store, commit)).pipe(Scope.provide(scope)));
  return {
    log: Context.get(context, EventLogTag),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
  };
}
