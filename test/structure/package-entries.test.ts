/** What an importer of the package gets: every entry loads, with no more packages behind it than it says. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { exports: entries } = JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as {
  exports: Readonly<Record<string, unknown>>;
};

/** By entry: the packages that it may load. The client's budget has no room for schemas or Effect. */
const expected: Readonly<Record<string, readonly string[]>> = {
  ".": ["effect", "jose", "ws", "xstate", "zod"],
  "./client": ["xstate"],
  "./push": [],
  "./react": ["react", "xstate"],
  "./postgres": ["effect", "xstate", "zod"],
  "./redis": ["effect"],
  "./runner": [],
  "./publisher": [],
  "./facade": [],
  "./ai-sdk": [],
  "./channels": ["effect", "zod"],
  "./webhook": ["zod"],
  "./protocol": ["zod"],
  "./machines": ["xstate"],
  "./testing": ["effect", "jose", "ws", "xstate", "zod"],
  "./testing/fast-check": ["fast-check", "xstate"],
};

// Our own packages are loaded by ourselves: what they load in turn is theirs.
const probe = `
  import { registerHooks } from "node:module";
  const loaded = new Set();
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const isOurs = context.parentURL?.includes("/dist/") && !context.parentURL.includes("/node_modules/");
      const name = /^(?:@[^/]+\\/)?[^/:]+/.exec(specifier)?.[0];
      if (isOurs && /^[a-z@]/.test(specifier) && !resolved.url.startsWith("node:")) loaded.add(name);
      return resolved;
    },
  });
  const module = await import(process.argv[1]);
  console.log(JSON.stringify({ names: Object.keys(module), loaded: [...loaded].sort() }));
`;

async function load(entry: string): Promise<{ names: string[]; loaded: string[] }> {
  const specifier = entry.replace(/^\./, "runcast");
  const args = ["--input-type=module", "--eval", probe, specifier];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  return JSON.parse(stdout) as { names: string[]; loaded: string[] };
}

describe("package entry", () => {
  it("is known here, whichever there is", () => {
    expect(Object.keys(entries).filter((entry) => entry !== "./package.json")).toEqual(Object.keys(expected));
  });

  it.each(Object.entries(expected))("%s loads by its name, and of other packages only %j", async (entry, packages) => {
    const { names, loaded } = await load(entry);
    expect(names.length).toBeGreaterThan(0);
    expect(loaded).toEqual(packages);
  });
});
