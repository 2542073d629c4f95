/**
 * Several laws asked of the same worlds: a world costs more than what a law asks of it. A law that breaks is searched
 * for once more, alone, from the world that broke it, so that fast-check shrinks that world and says how to repeat it.
 */
import type { Scheduler } from "fast-check";
import * as fc from "fast-check";
import type { Law } from "./law.ts";
import type { reading } from "./commands.ts";
import { settings } from "./commands.ts";
import { parameters } from "./parameters.ts";
import type { WorldSettings } from "./world.ts";
import { World } from "./world.ts";

interface Broken {
  /** Which of the worlds broke it first. */
  readonly at: number;
  readonly cause: unknown;
}

interface Searched {
  readonly seed: number;
  readonly worlds: number;
  readonly laws: ReadonlyMap<string, Law>;
  readonly broken: ReadonlyMap<string, Broken>;
}

type Happenings = typeof reading;
type Drawn = readonly [Scheduler, WorldSettings, boolean, Happenings extends fc.Arbitrary<infer Value> ? Value : never];

export class SharedSearch<Name extends string> {
  readonly #happenings: Happenings;
  readonly #laws: Readonly<Record<Name, () => Law>>;
  readonly #worlds: number;
  #searched: Promise<Searched> | undefined;

  constructor(happenings: Happenings, laws: Readonly<Record<Name, () => Law>>, worlds: number) {
    this.#happenings = happenings;
    this.#laws = laws;
    this.#worlds = worlds;
  }

  /** Fails as fast-check does: with a world that is as small as it found one, with its seed and path. */
  async holds(name: Name): Promise<void> {
    this.#searched ??= this.#search();
    const { seed, worlds, laws, broken } = await this.#searched;
    const found = broken.get(name);
    if (found !== undefined) {
      const alone = new Map([[name as string, this.#laws[name]()]]);
      const property = this.#property((drawn) => live(drawn, alone, (_, cause) => Promise.reject(cause)));
      await fc.assert(property, { ...parameters(this.#worlds), seed, path: `${found.at}` });
      throw found.cause;
    }
    laws.get(name)?.proves?.(worlds);
  }

  async #search(): Promise<Searched> {
    const laws = new Map(Object.entries<() => Law>(this.#laws).map(([name, make]) => [name, make()]));
    const broken = new Map<string, Broken>();
    let worlds = 0;
    const property = this.#property(async (drawn) => {
      const at = worlds;
      worlds += 1;
      await live(drawn, laws, (name, cause) => {
        if (!broken.has(name)) broken.set(name, { at, cause });
      });
    });
    const { seed } = await fc.check(property, parameters(this.#worlds));
    return { seed, worlds, laws, broken };
  }

  #property(ask: (drawn: Drawn) => Promise<void>) {
    // Half of the worlds lose their process at the end: what is there then is what the disk has (L7).
    return fc.asyncProperty(fc.scheduler(), settings(), fc.boolean(), this.#happenings, (...drawn) => ask(drawn));
  }
}

/** One world, from its beginning until it rests, under the eyes of these laws. A law that broke is asked no more. */
async function live(
  [scheduler, set, endsWithKill, happenings]: Drawn,
  laws: ReadonlyMap<string, Law>,
  breaks: (name: string, cause: unknown) => void | Promise<void>,
): Promise<void> {
  const world = await new World(scheduler, set).begin();
  const watches = new Map([...laws].map(([name, law]) => [name, law.watch(world, set)]));
  const ask = async (what: "look" | "judge"): Promise<void> => {
    for (const [name, watch] of watches)
      try {
        await watch[what]?.();
      } catch (cause) {
        watches.delete(name);
        await breaks(name, cause);
      }
  };
  try {
    for (const happening of happenings) {
      await happening.run({}, world);
      await ask("look");
    }
    if (endsWithKill) world.restart();
    await world.quiesce();
  } catch (cause) {
    for (const name of watches.keys()) await breaks(name, cause);
    return;
  }
  await ask("judge");
}
