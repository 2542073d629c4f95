/** Waiting in real time, for what no schedule knows of: a runner under test may read a file or set a timer. */
const [realAfter, realNow] = [setTimeout, Date.now];
const lookEveryMs = 1;

/** False: nothing has come. */
export async function comesInTime(patienceMs: number, hasCome: () => boolean): Promise<boolean> {
  for (const endMs = realNow() + patienceMs; realNow() < endMs; ) {
    await new Promise((resolve) => realAfter(resolve, lookEveryMs));
    if (hasCome()) return true;
  }
  return false;
}
