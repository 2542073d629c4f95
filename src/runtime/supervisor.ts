/**
 * The supervisor: the root actor and the single broadcast authority. Every other actor is its child; every byte to
 * a client leaves through its hands, because nobody else holds the authority that a transport asks for (L12).
 */
import type { Actor, ActorRefFrom, AnyActor, AnyActorLogic, InputFrom } from "xstate";
import { createActor, enqueueActions } from "xstate";
import type { SupervisorFact } from "../../machines/supervisor.ts";
import { supervisorMachine } from "../../machines/supervisor.ts";
import { NotAccepting } from "../errors.ts";
import type { SupervisorState } from "./runtime.ts";
import type { EncodedFrame, Transport } from "./transport.ts";
import { BroadcastAuthority } from "./transport.ts";

const notAcceptingRetryMs = 1_000;

export interface SupervisorCounts {
  framesSent: number;
  eventsSent: number;
  bytesSent: number;
}

export class Supervisor {
  readonly counts: SupervisorCounts = { framesSent: 0, eventsSent: 0, bytesSent: 0 };
  readonly #authority = BroadcastAuthority.mintAuthority();
  readonly #released: AnyActor[] = [];
  readonly #root = createActor(
    supervisorMachine.provide({
      actions: {
        stopReleased: enqueueActions(({ enqueue }) => {
          for (const actor of this.#released.splice(0)) enqueue.stopChild(actor);
        }),
      },
    }),
    { id: "supervisor" },
  ).start();

  get state(): SupervisorState {
    return this.#root.getSnapshot().value;
  }

  get isAccepting(): boolean {
    return this.#root.getSnapshot().hasTag("accepting");
  }

  /** Fails: `NotAccepting`, while it starts and once it drains. */
  requireAccepting(): void {
    if (!this.isAccepting) throw new NotAccepting({ retryAfterMs: notAcceptingRetryMs });
  }

  /** The actor system, for inspection. */
  get root(): ActorRefFrom<typeof supervisorMachine> {
    return this.#root;
  }

  tell(fact: SupervisorFact): void {
    this.#root.send(fact);
  }

  /**
   * A child, not started yet. Its owner keeps it under its one key and releases it: `spawnChild` slows down with
   * the number of siblings, a child made beside the machine does not.
   */
  spawn<Logic extends AnyActorLogic>(
    logic: Logic,
    options: { readonly id?: string; readonly input?: InputFrom<Logic>; readonly snapshot?: unknown } = {},
  ): Actor<Logic> {
    return createActor(logic, { ...options, parent: this.#root } as never);
  }

  /** Stops a child; later facts to it are dropped. */
  release(actor: AnyActor): void {
    this.#released.push(actor);
    if (this.#released.length === 1) queueMicrotask(() => this.#root.send({ type: "children.released" }));
  }

  /** Hands one frame to one connection. False: its transport is gone. */
  write(transport: Transport, frame: EncodedFrame, eventCount = 0): boolean {
    try {
      if (!transport.write(this.#authority, frame)) return false;
    } catch {
      // A socket that throws is as good as gone, and must not take the others of the fan-out with it.
      return false;
    }
    this.counts.framesSent += 1;
    this.counts.eventsSent += eventCount;
    this.counts.bytesSent += frame.bytes.length;
    return true;
  }

  ping(transport: Transport): void {
    try {
      transport.ping(this.#authority);
    } catch {
      // As above: its silence is what ends it.
    }
  }

  end(transport: Transport, code: number, reason: string): void {
    try {
      transport.close(this.#authority, code, reason);
    } catch {
      // It is gone as it is.
    }
  }
}
