/**
 * `npm run mutation -- <area> [file …] [--fresh]`: breaks the code of an area in every way that Stryker knows, one at a
 * time, and counts which breaks the tests notice. In parts, so that what is known is written before the next begins;
 * what did not change since the last time is not tried again, but for `--fresh`.
 *
 * Writes reports/mutation/<area>/: a report per file, summary.json, and survivors.md to work from.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { areaNamed } from "./mutation/areas.ts";
import { type Report, summary, survivors } from "./mutation/summary.ts";

/** A part has its own start-up, compiler and first run of the tests: a few minutes of work are worth them. */
const maxPartBytes = 12 * 1_024;

const [name, ...wanted] = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const isFresh = process.argv.includes("--fresh");
const concurrency = Number(process.env["MUTATION_CONCURRENCY"] ?? 1);
const area = areaNamed(name);
process.env["MUTATION_AREA"] = area.name;
// No mutant needs the disk to be slow.
if (existsSync("/dev/shm")) process.env["TMPDIR"] = "/dev/shm";

const folder = join("reports/mutation", area.name);
await mkdir(folder, { recursive: true });
const reportOf = (file: string) => join(folder, `${file}.report.json`);
const options = JSON.parse(await readFile("stryker.config.json", "utf8")) as Readonly<Record<string, unknown>>;
const all = (await readdir(area.folder))
  .filter((file) => file.endsWith(".ts") && file !== "index.ts")
  .map((file) => file.replace(/\.ts$/, ""));

async function parts(): Promise<string[][]> {
  const found: string[][] = [];
  let bytes = maxPartBytes;
  for (const file of wanted.length === 0 ? all : wanted) {
    const { size } = await stat(join(area.folder, `${file}.ts`));
    if (bytes + size > maxPartBytes) {
      found.push([]);
      bytes = 0;
    }
    found.at(-1)?.push(file);
    bytes += size;
  }
  return found;
}

async function run(files: readonly string[]): Promise<void> {
  const stem = join(folder, files[0] ?? "");
  const own = {
    ...options,
    mutate: files.map((file) => `${area.folder}/${file}.ts`),
    ignoreStatic: !area.countsStatic,
    vitest: { configFile: "vitest.mutation.config.ts", pool: "threads", related: area.countsStatic },
    checkers: ["compiler"],
    incremental: true,
    incrementalFile: join(folder, "incremental.json"),
    force: isFresh,
    reporters: ["json"],
    jsonReporter: { fileName: `${stem}.part.json` },
    concurrency,
    logLevel: "error",
  };
  await writeFile(`${stem}.config.json`, JSON.stringify(own));
  const stryker = spawn("node_modules/.bin/stryker", ["run", `${stem}.config.json`], { stdio: "inherit" });
  const [code] = (await once(stryker, "exit")) as [number | null];
  if (code !== 0) {
    console.error(`${files.join(", ")}: Stryker ended with ${code}`);
    process.exitCode = 1;
    return;
  }
  const part = JSON.parse(await readFile(`${stem}.part.json`, "utf8")) as Report;
  for (const file of files) {
    const path = `${area.folder}/${file}.ts`;
    const result = part.files[path];
    if (result === undefined) continue;
    const report: Report = { files: { [path]: result } };
    await writeFile(reportOf(file), JSON.stringify(report));
    console.log(summary([report]).rows[0]?.line);
  }
}

for (const files of await parts()) await run(files);

const reports: Report[] = [];
for (const file of all) {
  if (existsSync(reportOf(file))) reports.push(JSON.parse(await readFile(reportOf(file), "utf8")) as Report);
}
const { rows, total } = summary(reports);
await writeFile(join(folder, "summary.json"), `${JSON.stringify({ area: area.name, rows, total }, undefined, 2)}\n`);
await writeFile(join(folder, "survivors.md"), survivors(reports));
console.log(total.line);
