import { describe, expect, it } from "vitest";
import { noteOldName } from "../../src/facade/deprecation.ts";

describe("a deprecation", () => {
  it("is warned of once for each name, and counted at each call", async () => {
    const warnings: (Error & { readonly code?: string })[] = [];
    const listen = (warning: Error): void => void warnings.push(warning);
    process.on("warning", listen);
    const counted: string[] = [];
    const runcast = { noteFacadeCall: (name: string) => counted.push(name) } as never;
    for (const name of ["oldOne", "oldOne", "oldOther", "oldOne"]) noteOldName(runcast, name, "runcast.notify");
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", listen);
    const ours = warnings.filter(({ message }) => message.startsWith("old"));
    expect(ours.map(({ message }) => message)).toEqual([
      "oldOne is deprecated: use runcast.notify (docs/migration.md)",
      "oldOther is deprecated: use runcast.notify (docs/migration.md)",
    ]);
    for (const { name, code } of ours) expect([name, code]).toEqual(["DeprecationWarning", "RUNCAST_DEPRECATED"]);
    expect(counted).toEqual(["oldOne", "oldOne", "oldOther", "oldOne"]);
  });
});
