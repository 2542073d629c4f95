/**
 * All chance of a simulated world: small fast numbers from a seed (sfc32). Each actor draws from its own fork, named
 * after it, so that a script that is shortened by one actor leaves the dice of the others as they were (I20).
 */

const unit = 2 ** 32;
const warmUpRounds = 12;

/** Four 32-bit words from a text (MurmurHash3's mixer, one round per character and word). */
function wordsOf(text: string): [number, number, number, number] {
  let state = 0x9e3779b9 ^ text.length;
  for (let at = 0; at < text.length; at += 1) {
    state = Math.imul(state ^ text.charCodeAt(at), 0xcc9e2d51);
    state = (state << 13) | (state >>> 19);
  }
  const word = (): number => {
    state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
    return (state ^= state >>> 16) >>> 0;
  };
  return [word(), word(), word(), word()];
}

export class Chance {
  private readonly seed: string;
  private a: number;
  private b: number;
  private c: number;
  private counter: number;

  constructor(seed: string) {
    this.seed = seed;
    [this.a, this.b, this.c, this.counter] = wordsOf(seed);
    for (let round = 0; round < warmUpRounds; round += 1) this.word();
  }

  /** The dice of somebody who is part of this. */
  fork(name: string): Chance {
    return new Chance(`${this.seed}/${name}`);
  }

  /** [0, 2^32) */
  word(): number {
    const sum = (((this.a + this.b) >>> 0) + this.counter) >>> 0;
    this.counter = (this.counter + 1) >>> 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) >>> 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) >>> 0;
    return sum;
  }

  /** [0, 1) */
  readonly fraction = (): number => this.word() / unit;

  readonly bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => this.word() & 0xff);

  is(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** [0, below) */
  index(below: number): number {
    return Math.floor(this.fraction() * below);
  }

  /** [from, upto) */
  between(from: number, upto: number): number {
    return from + this.fraction() * (upto - from);
  }

  /** A whole number in [from, upto]. */
  whole(from: number, upto: number): number {
    return from + this.index(upto - from + 1);
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item;
  pick<Item>(items: readonly Item[]): Item | undefined;
  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.index(items.length)];
  }
}
