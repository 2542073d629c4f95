/** The contract of the spool's port: both adapters, and whoever writes a third, pass it. */
import type { expect as expectation } from "vitest";
import type { Spool } from "../../src/spool/spool.ts";

export interface MadeSpool {
  readonly spool: Spool;
  /** Closes it, or leaves it as a killed process does, and opens the same one again. */
  reopen(): Promise<Spool>;
  /** The storage fails, or does so no more. */
  fail(isFailing: boolean): void | Promise<void>;
  dispose(): Promise<void>;
}

async function all(spool: Spool): Promise<string[]> {
  const found: string[] = [];
  for await (const text of spool.entries()) found.push(text);
  return found;
}

export interface TestKit {
  readonly it: (sentence: string, body: () => Promise<void>) => void;
  readonly expect: typeof expectation;
}

export function spoolContract(make: () => Promise<MadeSpool>, { it, expect }: TestKit): void {
  const law = (sentence: string, body: (made: MadeSpool) => Promise<void>): void =>
    it(sentence, async () => {
      const made = await make();
      try {
        await body(made);
      } finally {
        await made.dispose();
      }
    });

  law("is empty at first", async ({ spool, reopen }) => {
    expect(await all(spool)).toEqual([]);
    expect(await all(await reopen())).toEqual([]);
  });

  law("gives back what was appended, in order, to the letter", async ({ spool, reopen }) => {
    const long = "x".repeat(300_000);
    await Promise.all([spool.append(["a", '{"b":"ü \\u0000"}']), spool.append([long]), spool.append([])]);
    await spool.append(Array.from({ length: 1_200 }, (_, index) => `${index}`));
    const found = await all(await reopen());
    expect(found.slice(0, 3)).toEqual(["a", '{"b":"ü \\u0000"}', long]);
    expect(found.slice(3)).toEqual(Array.from({ length: 1_200 }, (_, index) => `${index}`));
  });

  law("forgets the oldest, and goes on behind the rest, over openings", async ({ spool, reopen }) => {
    await spool.append(["a", "b", "c"]);
    await spool.remove(3);
    expect(await all(await reopen())).toEqual([]);
    const again = await reopen();
    await again.append(["d"]);
    await again.append(["e"]);
    const third = await reopen();
    expect(await all(third)).toEqual(["d", "e"]);
    await third.append(["f"]);
    await third.remove(2);
    await third.append(["g"]);
    expect((await all(await reopen())).slice(-2)).toEqual(["f", "g"]);
  });

  law("keeps nothing of an append that failed, and takes the next one", async ({ spool, reopen, fail }) => {
    await spool.append(["a"]);
    await fail(true);
    await expect(spool.append(["b", "c"])).rejects.toThrow();
    await expect(spool.append(["b"])).rejects.toThrow();
    await fail(false);
    await spool.append(["d"]);
    await spool.append(["e"]);
    expect(await all(await reopen())).toEqual(["a", "d", "e"]);
  });
}
