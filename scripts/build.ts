/**
 * Builds what is shipped into `dist/`: the compiled layers, the files beside them that are not code, and the
 * console page. Does nothing that is already done, so `npm start` may call it every time.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const layers = ["protocol", "machines", "src"] as const;
const consoleConfig = "src/console/vite.config.ts";
const consolePage = "dist/console/index.html";
/** What the page is made of: a change in any of these builds it anew. */
const consoleInputs = ["src/console", "src/client", "machines", "protocol"];
/** Not code and not built by something else. */
const assetEndings = [".ndjson", ".json", ".sql", ".md"];

function files(folder: string): string[] {
  const absolute = join(root, folder);
  if (!existsSync(absolute)) return [];
  return readdirSync(absolute, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

const changedAtMs = (file: string) => statSync(join(root, file)).mtimeMs;

function run(command: string, ...args: string[]): void {
  const done = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (done.error !== undefined) throw done.error;
  if (done.status !== 0) process.exit(done.status ?? 1);
}

/** A compiled file whose source is gone would still be shipped and still be importable. */
function removeOrphans(): void {
  for (const layer of layers) {
    for (const output of files(join("dist", layer))) {
      const source = output.slice("dist/".length).replace(/(?:\.d\.ts|\.js)(?:\.map)?$/, "");
      if (source.endsWith(".tsbuildinfo")) continue;
      const known = [source, `${source}.ts`, `${source}.tsx`].some((candidate) => existsSync(join(root, candidate)));
      if (!known) rmSync(join(root, output));
    }
  }
}

function copyAssets(): void {
  const assets = files("src").filter(
    (file) =>
      !file.startsWith("src/console/") &&
      !file.endsWith("tsconfig.json") &&
      assetEndings.some((ending) => file.endsWith(ending)),
  );
  for (const asset of assets) {
    const target = join("dist", asset);
    if (existsSync(join(root, target)) && changedAtMs(target) >= changedAtMs(asset)) continue;
    mkdirSync(dirname(join(root, target)), { recursive: true });
    copyFileSync(join(root, asset), join(root, target));
  }
}

function buildConsole(): void {
  if (!existsSync(join(root, consoleConfig))) return;
  const newestMs = Math.max(...consoleInputs.flatMap(files).map(changedAtMs));
  if (existsSync(join(root, consolePage)) && changedAtMs(consolePage) >= newestMs) return;
  run("vite", "build", "--config", consoleConfig, "--logLevel", "warn");
}

removeOrphans();
run("tsc", "-b", "protocol", "machines", "src/client", "src", "src/publisher");
copyAssets();
buildConsole();
