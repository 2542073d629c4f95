/**
 * The servers of the world: who takes a new call, and which process comes after which. One at a time over a store of its
 * own, or several that share one; then callers go to any of them, and move.
 */
import type { Chance } from "./chance.ts";
import { Server } from "./server.ts";
import type { World } from "./world.ts";

const movesShare = 0.3;

export class Fleet {
  readonly servers: Server[] = [];
  private readonly world: World;
  private born = 0;
  private isPowered = true;

  constructor(world: World) {
    this.world = world;
  }

  boot(): void {
    this.fill();
  }

  /** They share their store, and take calls side by side. */
  get areSeveral(): boolean {
    return this.world.script.settings.nodes !== undefined;
  }

  get alive(): readonly Server[] {
    return this.servers.filter(({ process }) => !process.isGone);
  }

  /**
   * Where a caller is sent: to the newest. An older one that sleeps keeps what it has. Of several to any, and mostly to
   * `last`, where the caller was before. Undefined: nobody listens.
   */
  pick(chance: Chance, last?: Server): Server | undefined {
    const { alive } = this;
    if (!this.areSeveral) return alive.at(-1);
    if (last !== undefined && !last.process.isGone && !chance.is(movesShare)) return last;
    const found = chance.pick(alive);
    if (last !== undefined && found !== last) this.world.sometimes.note("a publisher moves to another node");
    return found;
  }

  at(which: number): Server | undefined {
    const { alive } = this;
    return alive[which % Math.max(1, alive.length)];
  }

  /** It ends now, and another process begins after a while. */
  restart(server: Server, afterMs: number): void {
    server.kill();
    this.beginAfter(afterMs);
  }

  beginAfter(afterMs: number): void {
    this.world.time.after(afterMs, "a server begins", () => {
      if (this.alive.length < this.wanted) this.add();
    });
  }

  /** Beside those that are there: a new one while an old one is not heard. */
  add(): void {
    if (!this.isPowered) return;
    this.born += 1;
    this.servers.push(new Server(this.world, `server ${this.born}`));
  }

  cutPower(): void {
    this.isPowered = false;
    for (const server of this.alive) server.losePower();
  }

  powerOn(): void {
    this.isPowered = true;
    this.fill();
  }

  /** Everybody who sleeps wakes, and as many are there as should be. */
  heal(): void {
    for (const { process, line } of this.alive) {
      process.goOn();
      line?.heal();
    }
    this.fill();
  }

  get wanted(): number {
    return this.world.script.settings.nodes ?? 1;
  }

  private fill(): void {
    while (this.isPowered && this.alive.length < this.wanted) this.add();
  }
}
