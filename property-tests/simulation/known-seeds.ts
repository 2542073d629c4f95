/**
 * Seeds that once broke a law, with what it was: they always run. Nobody needs to remember why a script looks as it does;
 * whoever changes how scripts are drawn loses what a seed stood for, so such a failure deserves a test of its own, too.
 */
export const knownSeeds: readonly (readonly [seed: number, law: string])[] = [
  [11, "I12: a write whose answer was lost was there, and nobody rang for it"],
];
