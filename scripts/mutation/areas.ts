/** What `npm run mutation -- <area>` changes, and the tests that must notice. */

export interface Area {
  readonly name: string;
  /** The folder whose files are changed. */
  readonly folder: string;
  /** Globs of test files. None starts a process, a browser or a server that outlives a test. */
  readonly tests: readonly string[];
  /** Also what runs once, when a module is loaded: a machine is made of that. Every test must run for each of these. */
  readonly countsStatic: boolean;
  /** Many times what its longest test takes: a mutant that waits for ever costs this. */
  readonly testTimeoutMs: number;
}

export const areas: readonly Area[] = [
  {
    name: "machines",
    folder: "machines",
    tests: ["test/machines/**/*.test.ts"],
    countsStatic: true,
    testTimeoutMs: 30_000,
  },
  {
    name: "log",
    folder: "src/log",
    tests: ["test/log/!(*-crash|kill-points|power-cut).test.ts"],
    countsStatic: false,
    testTimeoutMs: 15_000,
  },
  {
    name: "runtime",
    folder: "src/runtime",
    tests: ["test/runtime/**/!(ack-flood).test.ts"],
    countsStatic: false,
    testTimeoutMs: 15_000,
  },
];

export function areaNamed(name: string | undefined): Area {
  const area = areas.find((one) => one.name === name);
  if (area === undefined) throw new Error(`name an area: ${areas.map((one) => one.name).join(", ")}`);
  return area;
}
