/**
 * A spool whose failures are ordered by the test. What it holds outlives whoever has it open, as a disk does: `open` is the
 * next process.
 */
import type { SpoolMark, SpoolState } from "../../src/spool/mark.ts";
import { type Spool, SpoolLost } from "../../src/spool/spool.ts";

/** `before`: nothing is kept. `after`: it is kept, and the answer is lost: the next append cuts it off again. */
export type SpoolFault = "before" | "after";

export class FailingSpool {
  texts: string[] = [];
  isDown = false;
  appends = 0;
  state: SpoolState = "clean";
  markIsDown = false;
  private readonly faults: SpoolFault[] = [];
  private acked = 0;
  private life = 0;
  private isLost = false;

  fail(...faults: readonly SpoolFault[]): void {
    this.faults.push(...faults);
  }

  /** It has been restarted, and holds nothing any more. */
  lose(): void {
    this.texts = [];
    this.isLost = true;
  }

  open(): { readonly spool: Spool; readonly mark: SpoolMark } {
    this.life += 1;
    const { life } = this;
    this.acked = this.texts.length;
    const found = [...this.texts];
    const mine = (): void => {
      if (life !== this.life || this.isDown) throw new Error("the spool is down");
    };
    return {
      spool: {
        append: async (texts) => {
          await Promise.resolve();
          mine();
          if (this.isLost) {
            this.isLost = false;
            this.acked = 0;
            throw new SpoolLost("it is empty");
          }
          this.texts.length = this.acked;
          if (texts.length === 0) return;
          this.appends += 1;
          const fault = this.faults.shift();
          if (fault !== "before") this.texts.push(...texts);
          if (fault !== undefined) throw new Error("the spool failed");
          this.acked = this.texts.length;
        },
        entries: async function* (this: void) {
          yield* found;
        },
        remove: async (count) => {
          await Promise.resolve();
          mine();
          this.texts.splice(0, count);
          this.acked -= count;
        },
        close: async () => {},
      },
      mark: {
        before: this.state,
        write: async (state) => {
          if (this.markIsDown || life !== this.life) throw new Error("the mark is down");
          this.state = state;
        },
        close: async () => {},
      },
    };
  }
}
