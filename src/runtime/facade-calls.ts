/** How often each old name was called (`src/facade`), so that a migration can be watched: the metrics show it. */

/** Names come from code and are few; beyond this they are counted together. */
const maxNames = 64;
const otherName = "other";

export class FacadeCalls {
  readonly byName = new Map<string, number>();

  count(name: string): void {
    const known = this.byName.has(name) || this.byName.size < maxNames ? name : otherName;
    this.byName.set(known, (this.byName.get(known) ?? 0) + 1);
  }
}
