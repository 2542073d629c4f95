/** Waiting in real time, for what no schedule knows of: a runner under test may read a file or set a timer. */
const [realAfter, realNow] = [setTimeout, Date.now];
const lookEveryMs = 1;
/** On a busy machine time passes and nothing gets its turn: so many looks at least. */
const looksPerMs = 0.1;

/** False: nothing has come. */
export async function comesInTime(patienceMs: number, hasCome: () => boolean): Promise<boolean> {
  const endMs = realNow() + patienceMs;
  for (let looks = 0; realNow() < endMs || looks < patienceMs * looksPerMs; looks += 1) {
    await new Promise((resolve) => realAfter(resolve, lookEveryMs));
    if (hasCome()) return true;
  }
  return false;
}
