/** Packs the package once and asks publint and attw whether another project can install, import and type it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "runcast-pack-"));

function succeeds(command: string, ...args: string[]): boolean {
  const done = spawnSync(command, args, { stdio: ["ignore", "inherit", "inherit"] });
  if (done.error !== undefined) throw done.error;
  return done.status === 0;
}

try {
  const packed = succeeds("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (!packed || tarball === undefined) throw new Error("npm pack made no package");
  const file = join(folder, tarball);
  // Both run, so that one look shows all there is to mend. esm-only: the package has no CommonJS build on purpose.
  const published = succeeds("publint", "run", file, "--strict");
  const typed = succeeds("attw", file, "--profile", "esm-only");
  process.exitCode = published && typed ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
