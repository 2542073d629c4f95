/**
 * `npm run mutation -- <area> [file …]`: breaks the code of an area in every way that Stryker knows, one at a time,
 * and counts which breaks the tests notice. File by file, so that what is known is written before the next begins.
 *
 * Writes reports/mutation/<area>/: a report per file, summary.json, and survivors.md to work from.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { areaNamed } from "./mutation/areas.ts";
import { summary, survivors, type Report } from "./mutation/summary.ts";

const [name, ...wanted] = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const isFresh = process.argv.includes("--fresh");
const concurrency = Number(process.env["MUTATION_CONCURRENCY"] ?? 1);
const area = areaNamed(name);
process.env["MUTATION_AREA"] = area.name;
// No mutant needs the disk to be slow.
if (existsSync("/dev/shm")) process.env["TMPDIR"] = "/dev/shm";

const folder = join("reports/mutation", area.name);
await mkdir(folder, { recursive: true });
const all = (await readdir(area.folder)).filter((file) => file.endsWith(".ts") && file !== "index.ts");
const files = wanted.length === 0 ? all : all.filter((file) => wanted.includes(file.replace(/\.ts$/, "")));

const options = JSON.parse(await readFile("stryker.config.json", "utf8")) as Readonly<Record<string, unknown>>;

for (const file of files) {
  const stem = join(folder, file.replace(/\.ts$/, ""));
  const own = {
    ...options,
    mutate: [`${area.folder}/${file}`],
    ignoreStatic: !area.countsStatic,
    vitest: { configFile: "vitest.mutation.config.ts", pool: "threads", related: area.countsStatic },
    checkers: ["compiler"],
    incremental: true,
    incrementalFile: `${stem}.incremental.json`,
    force: isFresh,
    reporters: ["json"],
    jsonReporter: { fileName: `${stem}.report.json` },
    concurrency,
    logLevel: "error",
  };
  await writeFile(`${stem}.config.json`, JSON.stringify(own));
  const stryker = spawn("node_modules/.bin/stryker", ["run", `${stem}.config.json`], { stdio: "inherit" });
  const [code] = (await once(stryker, "exit")) as [number | null];
  if (code !== 0) {
    console.error(`${file}: Stryker ended with ${code}`);
    process.exitCode = 1;
    continue;
  }
  const report = JSON.parse(await readFile(`${stem}.report.json`, "utf8")) as Report;
  console.log(summary([report]).rows[0]?.line);
}

const reports: Report[] = [];
for (const file of all) {
  const text = await readFile(join(folder, file.replace(/\.ts$/, ".report.json")), "utf8").catch(() => undefined);
  if (text !== undefined) reports.push(JSON.parse(text) as Report);
}
const { rows, total } = summary(reports);
await writeFile(join(folder, "summary.json"), `${JSON.stringify({ area: area.name, rows, total }, undefined, 2)}\n`);
await writeFile(join(folder, "survivors.md"), survivors(reports));
console.log(total.line);
