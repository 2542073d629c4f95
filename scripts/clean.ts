/** Removes everything that a build or a test run wrote. */
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

for (const folder of ["dist", "coverage", "reports"]) {
  rmSync(fileURLToPath(new URL(`../${folder}`, import.meta.url)), { recursive: true, force: true });
}
