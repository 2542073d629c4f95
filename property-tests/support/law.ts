/** What a law asks of a world: on its way, after each happening, and when it has come to rest. */
import type { World, WorldSettings } from "./world.ts";

export interface Watch {
  /** After every happening. */
  readonly look?: () => void | Promise<void>;
  /** When faults are over, and every device has everything. */
  readonly judge?: () => void | Promise<void>;
}

export interface Law {
  watch(world: World, settings: WorldSettings): Watch;
  /** Throws when what was seen in all these worlds together proves nothing. */
  readonly proves?: (worlds: number) => void;
}
