/** The version of the package, which everything that is shipped for deploying must have. */
import { readFileSync } from "node:fs";

const { version: found }: { readonly version: string } = JSON.parse(
  readFileSync(new URL("../../../package.json", import.meta.url), "utf8"),
);
export const version = found;
