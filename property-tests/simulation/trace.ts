/**
 * What happened in a world, as one hash: every step, frame and commit is folded in, so two runs that differ anywhere
 * differ here (I20). Keeps the lines themselves only when somebody wants to read them.
 */

const offsetBasis = 0x811c9dc5;
const prime = 0x01000193;
const secondPrime = 0x85ebca6b;

export class Trace {
  readonly lines: string[] = [];
  private readonly keeps: boolean;
  private low = offsetBasis;
  private high = 0;

  constructor(keeps = false) {
    this.keeps = keeps;
  }

  note(atMs: number, what: string, detail = ""): void {
    this.fold(what);
    this.fold(detail);
    this.low = Math.imul(this.low ^ Math.round(atMs * 1_000), prime);
    if (this.keeps) this.lines.push(`${atMs.toFixed(3).padStart(12)} ${what} ${detail}`);
  }

  get hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
    return hex(this.high) + hex(this.low);
  }

  private fold(text: string): void {
    let { low, high } = this;
    for (let at = 0; at < text.length; at += 1) {
      low = Math.imul(low ^ text.charCodeAt(at), prime);
      high = Math.imul(high ^ low, secondPrime);
    }
    this.low = low;
    this.high = high;
  }
}
