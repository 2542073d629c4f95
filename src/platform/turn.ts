/** The end of the event loop's turn: after the I/O that is ready now, before the loop sleeps. For joining writes. */

/** Calls `task` once this turn's I/O callbacks have run. Costs no waiting: nothing else could happen before. */
export function atEndOfTurn(task: () => void): void {
  setImmediate(task);
}
