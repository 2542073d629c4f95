import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { describe, expect, it } from "vitest";

/**
 * xstate itself is 12.4 KB of it, the fold of the runs with its machine 4.2. What a page loads may not grow unseen.
 */
const maxGzipBytes = 24_576;
const entry = fileURLToPath(new URL("../../src/client/index.ts", import.meta.url));

/** The one file that a page would load, and the modules that are in it. */
async function bundle(): Promise<{ readonly code: string; readonly modules: readonly string[] }> {
  const built = await build({
    configFile: false,
    logLevel: "error",
    // The development build of a dependency is not what a page gets.
    mode: "production",
    resolve: { conditions: ["module", "browser", "production"] },
    build: { write: false, modulePreload: false, rolldownOptions: { input: entry, preserveEntrySignatures: "strict" } },
  });
  const outputs = [built].flat().flatMap((part) => ("output" in part ? part.output : []));
  const chunks = outputs.flatMap((part) => (part.type === "chunk" ? [part] : []));
  return {
    code: chunks.map(({ code }) => code).join(""),
    modules: chunks.flatMap(({ moduleIds }) => moduleIds),
  };
}

describe("client bundle", () => {
  it("fits its budget, and carries neither zod nor Effect nor a schema", async () => {
    const { code, modules } = await bundle();
    expect(modules.some((id) => id.includes("machines/client"))).toBe(true);
    expect(modules.filter((id) => /node_modules\/(zod|effect|ws|react)\//.test(id))).toEqual([]);
    expect(modules.filter((id) => /protocol\/(codec|event|frames|http|ids|index)\.ts$/.test(id))).toEqual([]);
    expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(maxGzipBytes);
  });
});
