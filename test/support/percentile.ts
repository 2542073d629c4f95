/** The value that so large a share of the values stays below or at (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const rank = Math.max(Math.ceil(values.length * share), 1);
  return values.toSorted((a, b) => a - b)[rank - 1] ?? Number.NaN;
}
