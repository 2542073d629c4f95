import { describe, expect, it } from "vitest";
import { optionalPeer } from "../../src/fallback/optional-peer.ts";

describe("an optional package", () => {
  it("is named with its setting when it is missing", async () => {
    const missing = "runcast-has-no-such-package";
    await expect(optionalPeer(missing, "RUNCAST_SMTP_URL", () => import(missing))).rejects.toMatchObject({
      _tag: "InvalidConfig",
      setting: "RUNCAST_SMTP_URL",
      message: `needs the package ${missing}: npm install ${missing}`,
    });
  });

  it("that is there and does not load says so itself", async () => {
    const broken = new SyntaxError("broken");
    await expect(optionalPeer("x", "X", () => Promise.reject(broken))).rejects.toBe(broken);
  });
});
