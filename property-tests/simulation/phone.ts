/**
 * How a publisher reaches the servers: one HTTP call at a time through a network that loses answers. What comes back is
 * an answer, a refusal, or silence, and silence says nothing about what was done.
 */
import type { Epoch } from "../../protocol/ids.ts";
import { isExpected } from "../../src/errors.ts";
import type { ExpectedError } from "../../src/errors.ts";
import type { Chance } from "./chance.ts";
import type { Ask, Server } from "./server.ts";
import type { SimProcess } from "./sim-process.ts";
import type { World } from "./world.ts";

export type Reply<Value> =
  /** `epoch`: of the history in which it was asked. */
  | { readonly kind: "answer"; readonly value: Value; readonly epoch: Epoch }
  | { readonly kind: "refusal"; readonly why: ExpectedError }
  | { readonly kind: "silence" };

const answersWithinMs = 4_000;
const unheard = "a server dies while its commit is on the disk and nobody has the answer";
const maxPauseMs = 800;
const silence = { kind: "silence" } as const;
/** Nobody knows, or not now: the call is to be repeated as it was. */
const undecided: ReadonlySet<string> = new Set(["LogUnavailable", "LogFull", "NotAccepting"]);

export class Phone {
  /** It repeats something now. */
  isRepeating = false;
  private readonly world: World;
  private readonly process: SimProcess;
  private readonly chance: Chance;
  private server: Server | undefined;

  constructor(world: World, process: SimProcess, chance: Chance) {
    this.world = world;
    this.process = process;
    this.chance = chance;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.world.time.after(ms, `${this.process.name} goes on`, () => this.process.enter("timers", resolve));
    });
  }

  /** Until somebody knows. `tries` is 1 when the first word was the last. */
  async settle<Value>(ask: Ask<Value>): Promise<{ readonly reply: Reply<Value>; readonly tries: number }> {
    for (let tries = 1; ; tries += 1) {
      const reply = await this.call(ask);
      this.isRepeating = reply.kind === "silence" || (reply.kind === "refusal" && undecided.has(reply.why._tag));
      if (!this.isRepeating) return { reply, tries };
      await this.sleep(this.chance.between(0, maxPauseMs));
    }
  }

  call<Value>(ask: Ask<Value>): Promise<Reply<Value>> {
    const { world, process } = this;
    const { epoch } = world.history;
    const delayMs = (): number => world.httpLatencyMs(this.chance);
    return new Promise((resolve) => {
      const later = (reply: Reply<Value>, server?: Server): void => {
        if (world.losesAnswer(this.chance)) return;
        world.time.after(delayMs(), "http answer", () => {
          // A server that dies takes what it has just said with it.
          if (server?.process.isGone && this.chance.is(0.5)) {
            if (reply.kind === "answer") world.sometimes.note(unheard);
            return;
          }
          process.enter("http", () => resolve(reply));
        });
      };
      world.time.after(answersWithinMs, "http timeout", () => process.enter("timers", () => resolve(silence)));
      world.time.after(delayMs(), "http call", () => {
        const server = (this.server = world.fleet.pick(this.chance, this.server));
        if (server === undefined) return later(silence);
        if (server.line?.isCut) world.sometimes.note("a node that is cut from the store is called all the same");
        server.process.enter("http", () => {
          server.run(ask).then(
            (value) => later({ kind: "answer", value, epoch }, server),
            (cause: unknown) => {
              if (isExpected(cause)) later({ kind: "refusal", why: cause }, server);
              else world.violate("I0", `${server.process.name} broke: ${String(cause)}`);
            },
          );
        });
      });
    });
  }
}
