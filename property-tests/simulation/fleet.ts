/** The servers of the world: who takes a new call, and which process comes after which. */
import { Server } from "./server.ts";
import type { World } from "./world.ts";

export class Fleet {
  readonly servers: Server[] = [];
  private readonly world: World;
  private born = 0;
  private isPowered = true;

  constructor(world: World) {
    this.world = world;
  }

  boot(): void {
    this.add();
  }

  get alive(): readonly Server[] {
    return this.servers.filter(({ process }) => !process.isGone);
  }

  /** Where newcomers are sent: to the newest. An older one that sleeps keeps what it has. Undefined: nobody listens. */
  pick(): Server | undefined {
    return this.alive.at(-1);
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
      if (this.alive.length === 0) this.add();
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
    if (this.alive.length === 0) this.add();
  }

  /** Everybody who sleeps wakes, and as many are there as should be. */
  heal(): void {
    for (const { process } of this.alive) process.goOn();
    if (this.alive.length === 0) this.add();
  }
}
