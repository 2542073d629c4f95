/** What waits for its turn in a play: each is a promise that the schedule settles, one at a time. */

interface Waiting {
  readonly what: string;
  readonly go: () => void;
}

export class Steps {
  private waiting: Waiting[] = [];

  /** Resolves when the schedule says so. */
  wait(what: string): Promise<void> {
    return new Promise((resolve) => this.waiting.push({ what, go: resolve }));
  }

  get count(): number {
    return this.waiting.length;
  }

  /** Lets one go; gives its name. */
  release(index: number): string {
    const [step] = this.waiting.splice(index, 1);
    step?.go();
    return step?.what ?? "nothing";
  }

  /** Their process is gone: nobody lets them go any more. */
  forget(): void {
    this.waiting = [];
  }
}
