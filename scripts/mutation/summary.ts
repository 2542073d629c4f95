/** Stryker's reports as figures: a row per file and the sum, and the mutants that no test noticed. */

/** Stands as the reason of a mutant that was not tried. */
export const outOfSample = "not in the sample";

interface Mutant {
  readonly mutatorName: string;
  readonly replacement?: string;
  readonly status: string;
  readonly statusReason?: string;
  readonly testsCompleted?: number;
  readonly static?: boolean;
  readonly location: { readonly start: { readonly line: number; readonly column: number } };
}

export interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>>;
}

interface Row {
  readonly file: string;
  readonly killed: number;
  readonly timeout: number;
  readonly survived: number;
  readonly noCoverage: number;
  /** The compiler refuses them. */
  readonly refused: number;
  readonly unloadable: number;
  readonly ignored: number;
  /** Noticed of all that compile. Units: percent. */
  readonly score: number;
  readonly line: string;
}

const counted = ["killed", "timeout", "survived", "noCoverage", "refused", "unloadable", "ignored"] as const;
type Counts = Record<(typeof counted)[number], number>;

const kinds: Readonly<Record<string, keyof Counts>> = {
  Killed: "killed",
  Timeout: "timeout",
  Survived: "survived",
  NoCoverage: "noCoverage",
  CompileError: "refused",
  // Outside of any test: the code could not even be loaded. Stryker does not count them, and so do we.
  RuntimeError: "unloadable",
  Ignored: "ignored",
};

function row(file: string, counts: Counts): Row {
  const { killed, timeout, survived, noCoverage } = counts;
  const valid = killed + timeout + survived + noCoverage;
  const score = valid === 0 ? 100 : ((killed + timeout) / valid) * 100;
  const figures = counted.map((name) => `${name} ${counts[name]}`).join(", ");
  return { file, ...counts, score, line: `${score.toFixed(2).padStart(6)} %  ${file}: ${figures}` };
}

export function summary(reports: readonly Report[]): { readonly rows: readonly Row[]; readonly total: Row } {
  const none = (): Counts => ({
    killed: 0,
    timeout: 0,
    survived: 0,
    noCoverage: 0,
    refused: 0,
    unloadable: 0,
    ignored: 0,
  });
  const sum = none();
  const rows = reports
    .flatMap(({ files }) => Object.entries(files))
    .map(([file, { mutants }]) => {
      const counts = none();
      for (const { status, statusReason, testsCompleted } of mutants) {
        if (status === "Survived" && testsCompleted === 0)
          throw new Error(`${file}: no test ran for a mutant; try it anew`);
        const kind = statusReason === outOfSample ? "ignored" : kinds[status];
        if (kind === undefined) throw new Error(`${file}: no such status as ${status}`);
        counts[kind] += 1;
        sum[kind] += 1;
      }
      return row(file, counts);
    });
  return { rows, total: row("all", sum) };
}

export function survivors(reports: readonly Report[]): string {
  const text: string[] = [];
  for (const [file, { source, mutants }] of reports.flatMap(({ files }) => Object.entries(files))) {
    const lines = source.split("\n");
    text.push(`# ${file}`);
    for (const { status, location, mutatorName, replacement } of mutants) {
      if (status !== "Survived" && status !== "NoCoverage") continue;
      const { line, column } = location.start;
      const was = lines[line - 1] ?? "";
      text.push(
        `${line}:${column} ${status} ${mutatorName}\n- ${was.trim()}\n+ ${was.slice(0, column - 1).trim()} ⟦${replacement}⟧`,
      );
    }
  }
  return `${text.join("\n")}\n`;
}
