import { describe, expect, it } from "vitest";
import * as exported from "../../machines/index.ts";

describe("machines", () => {
  it("are called as they are exported: an inspector shows no other name", () => {
    for (const [name, value] of Object.entries(exported)) {
      if (!name.endsWith("Machine") || typeof value !== "object" || !("id" in value)) continue;
      expect(`${String(value.id)}Machine`).toBe(name);
    }
  });
});
