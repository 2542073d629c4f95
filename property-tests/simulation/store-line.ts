/**
 * What lies between one process and a store that it shares with others: it may be cut, lose answers after the write, and
 * carry the bells of the others late, twice, out of order or not at all. `sim-log` asks it; a fault or a healing sets it.
 */
import type { VirtualTime } from "./virtual-time.ts";

type Trouble = "cut" | "losesAnswers" | "breaksBells" | "losesBells" | "delaysBells";

export class StoreLine {
  /** Bells travel again: what was rung meanwhile has to be made good. */
  onMend: () => void = () => {};
  private readonly time: VirtualTime;
  private readonly untilMs = new Map<Trouble, number>();
  private lateMs = 0;

  constructor(time: VirtualTime) {
    this.time = time;
  }

  get isCut(): boolean {
    return this.has("cut");
  }

  get losesAnswers(): boolean {
    return this.has("losesAnswers");
  }

  get losesBells(): boolean {
    return this.has("losesBells");
  }

  /** Nothing comes through, and the process will know. */
  get areBellsBroken(): boolean {
    return this.isCut || this.has("breaksBells");
  }

  /** How much later than usual a bell may be. */
  get bellDelayMs(): number {
    return this.has("delaysBells") ? this.lateMs : 0;
  }

  cut(forMs: number): void {
    this.begin("cut", forMs);
    this.mendAfter(forMs);
  }

  breakBells(forMs: number): void {
    this.begin("breaksBells", forMs);
    this.mendAfter(forMs);
  }

  loseAnswers(forMs: number): void {
    this.begin("losesAnswers", forMs);
  }

  loseBells(forMs: number): void {
    this.begin("losesBells", forMs);
  }

  delayBells(forMs: number, lateMs: number): void {
    this.begin("delaysBells", forMs);
    this.lateMs = lateMs;
  }

  heal(): void {
    const wasBroken = this.areBellsBroken;
    this.untilMs.clear();
    if (wasBroken) this.onMend();
  }

  private has(trouble: Trouble): boolean {
    return this.time.nowMs < (this.untilMs.get(trouble) ?? 0);
  }

  private begin(trouble: Trouble, forMs: number): void {
    this.untilMs.set(trouble, Math.max(this.untilMs.get(trouble) ?? 0, this.time.nowMs + forMs));
  }

  private mendAfter(forMs: number): void {
    this.time.after(forMs, "a line to the store is mended", () => {
      if (!this.areBellsBroken) this.onMend();
    });
  }
}
