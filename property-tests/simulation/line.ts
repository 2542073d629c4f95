/**
 * What lies between one device and the servers: its delays, its thinness, and the silence of either direction. TCP
 * keeps what it carries in order; what a silent direction holds comes late or never.
 */
import type { Chance } from "./chance.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface LineSettings {
  readonly minLatencyMs: number;
  readonly maxLatencyMs: number;
  /** What the way down carries. */
  readonly bytesPerMs: number;
}

export type Direction = "up" | "down";

export class Line {
  readonly settings: LineSettings;
  private readonly time: VirtualTime;
  private readonly chance: Chance;
  private readonly silentUntilMs: Record<Direction, number> = { up: 0, down: 0 };
  private spikeUntilMs = 0;
  private spikeMs = 0;
  /** The connection dies after so many more frames. */
  framesLeft = Number.POSITIVE_INFINITY;

  constructor(time: VirtualTime, chance: Chance, settings: LineSettings) {
    this.time = time;
    this.chance = chance;
    this.settings = settings;
  }

  latencyMs(): number {
    const { minLatencyMs, maxLatencyMs } = this.settings;
    const spike = this.time.nowMs < this.spikeUntilMs ? this.spikeMs : 0;
    return this.chance.between(minLatencyMs, maxLatencyMs) + spike;
  }

  /** How long this direction stays silent; 0 when it speaks. */
  silenceMs(direction: Direction): number {
    return Math.max(0, this.silentUntilMs[direction] - this.time.nowMs);
  }

  silence(direction: Direction, forMs: number): void {
    this.silentUntilMs[direction] = Math.max(this.silentUntilMs[direction], this.time.nowMs + forMs);
  }

  spike(forMs: number, extraMs: number): void {
    this.spikeUntilMs = this.time.nowMs + forMs;
    this.spikeMs = extraMs;
  }

  heal(): void {
    this.silentUntilMs.up = 0;
    this.silentUntilMs.down = 0;
    this.spikeUntilMs = 0;
    this.framesLeft = Number.POSITIVE_INFINITY;
  }
}
