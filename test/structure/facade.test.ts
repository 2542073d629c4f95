/** The old names have no logic and no way of their own: they are short, and reach nothing but the public API. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const folder = fileURLToPath(new URL("../../src/facade/", import.meta.url));
const files = readdirSync(folder).filter((file) => file.endsWith(".ts"));
const source = (file: string): string => readFileSync(folder + file, "utf8");
const maxCodeLines = 80;

describe("the facade", () => {
  it.each(files)("%s imports the public API as types, and its neighbours", (file) => {
    const imports = [...source(file).matchAll(/^(import|export)( type)? [^;]*? from "([^"]+)";$/gm)];
    for (const [, , type, from = ""] of imports) {
      if (from.startsWith("./")) continue;
      expect(["../index.ts", "../../protocol/event.ts"], from).toContain(from);
      expect(type, from).toBe(" type");
    }
    expect(source(file)).not.toMatch(/\bimport\(|\brequire\(/);
  });

  it.each(files)("%s catches nothing, waits for nothing and is a few lines", (file) => {
    const text = source(file);
    expect(text).not.toMatch(/\bcatch \(|\bcatch \{|\bsetTimeout|\.runtime\b/);
    const code = text.split("\n").filter((line) => line.trim() !== "" && !/^\s*(?:\/\/|\/?\*)/.test(line));
    expect(code.length).toBeLessThanOrEqual(maxCodeLines);
  });

  it("marks every old name as deprecated, and names what replaces it", () => {
    for (const file of ["router.ts", "emitter.ts", "user-manager.ts"]) {
      const text = source(file);
      const names = [
        ...text.matchAll(
          /^export (?:async )?(?:class|function) (\w+)|^ {2}(?:async )?(emit\w+|broadcast\w+|sendEvent)\(/gm,
        ),
      ];
      expect(names.length).toBeGreaterThan(1);
      for (const { 1: name, 2: method, index } of names) {
        if (name === "sendAs") continue;
        expect(text.slice(0, index).trimEnd().split("/**").at(-1), name ?? method).toMatch(/@deprecated Use /);
      }
    }
  });
});
