/**
 * A checker for Stryker: mutants that the compiler refuses need no test. Every mutant becomes a file of its own in a
 * copy of the source, beside the file that it came from, and one run of `tsc` judges all of them.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { areaNamed } from "./areas.ts";
import { outOfSample } from "./summary.ts";

interface Position {
  readonly line: number;
  readonly column: number;
}

/** What Stryker says of a mutant; lines and columns from 0. */
interface Mutant {
  readonly id: string;
  readonly fileName: string;
  readonly replacement: string;
  readonly location: { readonly start: Position; readonly end: Position };
}

type Verdict = { readonly status: "passed" } | { readonly status: "compileError"; readonly reason: string };

const sources = ["protocol", "machines", "src", "tsconfig.base.json", "package.json"];
/** Where time is short: every so-many-th mutant stands for all. */
const sampleOf = Number(process.env["MUTATION_SAMPLE"] ?? 1);
const notSampled: Verdict = { status: "compileError", reason: outOfSample };
const maxOutputBytes = 64 * 2 ** 20;

function indexOf(text: string, { line, column }: Position): number {
  let at = 0;
  for (let passed = 0; passed < line; passed += 1) at = text.indexOf("\n", at) + 1;
  return at + column;
}

function mutated(text: string, { replacement, location }: Mutant): string {
  return text.slice(0, indexOf(text, location.start)) + replacement + text.slice(indexOf(text, location.end));
}

/** The errors of each file that has some, without their places. */
async function refusals(project: string, cwd: string): Promise<Map<string, string[]>> {
  const command = join(process.cwd(), "node_modules/.bin/tsc");
  const output = await new Promise<string>((resolve) => {
    execFile(command, ["-p", project, "--pretty", "false"], { cwd, maxBuffer: maxOutputBytes }, (_, stdout) =>
      resolve(stdout),
    );
  });
  const found = new Map<string, string[]>();
  for (const line of output.split("\n")) {
    const [, file, error] = /^(\S+)\(\d+,\d+\): error (.*)$/.exec(line) ?? [];
    if (file === undefined || error === undefined) continue;
    const told = error.replaceAll(/\b(?:mutant-\d+|sound-[\w-]+)\b/g, "copy");
    found.set(basename(file), [...(found.get(basename(file)) ?? []), told]);
  }
  if (found.size === 0 && output.trim() !== "") throw new Error(`tsc: ${output}`);
  return found;
}

/** The same mutants every time, wherever others come and go: one of `sampleOf`, by what they are. */
function isSampled({ fileName, replacement, location }: Mutant): boolean {
  const { line, column } = location.start;
  const digest = createHash("sha256")
    .update(`${basename(fileName)} ${line} ${column} ${replacement}`)
    .digest();
  return digest.readUInt32BE() % sampleOf === 0;
}

class CompilerCheck {
  #copy = "";

  async init(): Promise<void> {
    this.#copy = await mkdtemp(join(tmpdir(), "runcast-mutants-"));
    for (const source of sources) await cp(source, join(this.#copy, source), { recursive: true });
    await symlink(join(process.cwd(), "node_modules"), join(this.#copy, "node_modules"));
    process.once("exit", () => rmSync(this.#copy, { recursive: true, force: true }));
  }

  /** All at once: a run of `tsc` costs more than a file in it. */
  async group(mutants: readonly Mutant[]): Promise<string[][]> {
    return [mutants.map(({ id }) => id)];
  }

  async check(all: readonly Mutant[]): Promise<Record<string, Verdict>> {
    const mutants = all.filter(isSampled);
    const verdicts = Object.fromEntries(all.map(({ id }): [string, Verdict] => [id, notSampled]));
    return { ...verdicts, ...(await this.#compile(mutants)) };
  }

  async #compile(mutants: readonly Mutant[]): Promise<Record<string, Verdict>> {
    const folder = join(this.#copy, areaNamed(process.env["MUTATION_AREA"]).folder);
    const config = join(folder, "tsconfig.mutants.json");
    const files: string[] = [];
    for (const mutant of mutants) {
      const source = join(this.#copy, relative(process.cwd(), mutant.fileName));
      const text = await readFile(source, "utf8");
      const file = join(dirname(source), `mutant-${mutant.id}.ts`);
      await writeFile(file, mutated(text, mutant));
      // A copy is another module, so a class in it may not pass for itself: that is no error of the mutant.
      const sound = join(dirname(source), `sound-${basename(source)}`);
      if (!files.includes(sound)) await writeFile(sound, text);
      files.push(file, ...(files.includes(sound) ? [] : [sound]));
    }
    const root = relative(folder, this.#copy);
    const compilerOptions = { noEmit: true, composite: false, incremental: false, rootDir: root };
    const nearest = folder.endsWith("machines") ? "tsconfig.json" : join(root, "src/tsconfig.json");
    const extended = nearest.startsWith(".") ? nearest : `./${nearest}`;
    await writeFile(config, JSON.stringify({ extends: extended, compilerOptions, include: [], files }));
    const refused = await refusals(config, this.#copy);
    for (const file of files) await rm(file);
    return Object.fromEntries(
      mutants.map(({ id, fileName }): [string, Verdict] => {
        const known = new Set(refused.get(`sound-${basename(fileName)}`));
        const reason = refused.get(`mutant-${id}.ts`)?.find((error) => !known.has(error));
        return [id, reason === undefined ? { status: "passed" } : { status: "compileError", reason }];
      }),
    );
  }
}

export const strykerPlugins = [{ kind: "Checker", name: "compiler", factory: () => new CompilerCheck() }];
