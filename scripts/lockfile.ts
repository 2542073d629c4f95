/**
 * Keeps `npm ci` working everywhere: npm leaves a platform's package out of the lockfile when the registry at hand
 * does not have it, and then refuses the lockfile as incomplete. This adds what is missing, by version, for npm to
 * skip on every other platform; `--check` only says so. Run it after each `npm install`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

interface Entry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly license?: string;
  readonly engines?: unknown;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly resolved?: string;
}

const systems = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const processors = ["arm64", "arm", "ia32", "ppc64", "riscv64", "s390x", "x64"];
const file = fileURLToPath(new URL("../package-lock.json", import.meta.url));
const lock = JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, Entry> };
const isCheck = process.argv.includes("--check");

/** `@oxlint/binding-linux-arm64-musl` → linux, arm64, musl. */
function platformOf(name: string) {
  const words = name.split(/[/-]/);
  const os = systems.find((system) => words.includes(system));
  const cpu = processors.find((processor) => words.includes(processor));
  if (os === undefined || cpu === undefined) throw new Error(`${name} is no platform's package: add it by npm install`);
  const isMusl = words.some((word) => word.startsWith("musl"));
  return { os: [os], cpu: [cpu], ...(os === "linux" && { libc: [isMusl ? "musl" : "glibc"] }) };
}

const missing = Object.values(lock.packages).flatMap((entry) =>
  Object.entries(entry.optionalDependencies ?? {})
    .filter(([name]) => !(`node_modules/${name}` in lock.packages))
    .map(([name, version]) => ({ name, version, entry })),
);
const located = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined);

if (located.length > 0) {
  console.error(
    `package-lock.json names where ${located[0]?.[0]} came from: .npmrc has omit-lockfile-registry-resolved`,
  );
  process.exitCode = 1;
}
if (missing.length > 0 && isCheck) {
  console.error(`package-lock.json lacks ${missing.map(({ name }) => name).join(", ")}: run node scripts/lockfile.ts`);
  process.exitCode = 1;
} else if (missing.length > 0) {
  for (const { name, version, entry } of missing) {
    const { dev, license, engines } = entry;
    lock.packages[`node_modules/${name}`] = {
      version,
      ...platformOf(name),
      dev,
      license,
      optional: true,
      engines,
    } as Entry;
  }
  lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`);
  console.log(`added ${missing.length} packages of other platforms`);
}
