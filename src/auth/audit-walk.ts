/** Holds one line of an audit log after the other against the chain so far. `audit-verify` leads it through the files. */
import type { ChainEnd, ChainLine } from "./audit-chain.ts";
import { holdsSeal, readChainLine } from "./audit-chain.ts";

export type AuditFault =
  /** The line, or the one before it, is not what was written. */
  | "changed"
  | "removed"
  | "reordered"
  /** Lines are missing at the end: the head knows more. */
  | "cut"
  /** The last line ends in the middle: a crash, or somebody's cut. The next start of the server records it. */
  | "torn"
  /** The lines hold, but without their head nobody knows whether they are all. */
  | "no head"
  /** Written with a key, which is not given. */
  | "no key";

export interface Broken {
  readonly fault: AuditFault;
  readonly what: string;
}

/** A good line in the wrong place: what should stand there comes later, or not at all. */
export interface Misplaced {
  readonly fault: "misplaced";
  readonly expected: number;
  readonly n: number;
}

export class AuditWalk {
  end: ChainEnd;
  /** The last line was sealed with the key; from the first such line on all are. */
  isKeyed = false;
  private readonly key: string | undefined;
  /** What the head says was the last line once. */
  private readonly known: ChainEnd | undefined;

  constructor(after: ChainEnd, known: ChainEnd | undefined, key: string | undefined) {
    this.end = after;
    this.known = known;
    this.key = key;
  }

  /** Takes the next line; what is wrong with it, or undefined. */
  take(text: string): Broken | Misplaced | undefined {
    const line = readChainLine(text);
    if (line === undefined) return { fault: "changed", what: "is no line of an audit log" };
    const wrong = this.judge(line);
    if (wrong === undefined) {
      this.isKeyed ||= line.isKeyed;
      this.end = { n: line.n, hash: line.hash };
    }
    return wrong;
  }

  private judge({ n, hash, prev, body, isKeyed }: ChainLine): Broken | Misplaced | undefined {
    if (isKeyed && this.key === undefined)
      return { fault: "no key", what: "was sealed with a key: --key-env names the variable that holds it" };
    if (!holdsSeal(body, hash, this.key) || (this.isKeyed && !isKeyed))
      return { fault: "changed", what: `entry ${n} does not hold its own hash` };
    if (n !== this.end.n + 1) return { fault: "misplaced", expected: this.end.n + 1, n };
    if (prev !== this.end.hash)
      return { fault: "changed", what: `entry ${n} does not follow what stands before it: one of the two was changed` };
    if (this.known?.n === n && this.known.hash !== hash)
      return { fault: "changed", what: `entry ${n} is not the one that the head names` };
    return undefined;
  }
}
