import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../docs/page.ts";
import { mainFile } from "../support/built-server.ts";
import { drainSeconds } from "./support/drain.ts";

const unit = readFileSync(`${root}deploy/systemd/runcast.service`, "utf8");
const workers = readFileSync(`${root}deploy/systemd/workers.conf`, "utf8");
/** Of ten, as systemd judges it: what is above is called exposed. */
const maxExposure = 2;
const shippedMain = "/opt/runcast/node_modules/runcast/dist/src/cli/main.js";

const said = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, "m").exec(unit)?.[1];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "runcast-unit-"));
  const here = unit.replace("/usr/bin/node", process.execPath).replace(shippedMain, mainFile);
  writeFileSync(join(folder, "runcast.service"), here);
  mkdirSync(join(folder, "runcast.service.d"));
  writeFileSync(join(folder, "runcast.service.d/workers.conf"), workers);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function analyze(...args: string[]) {
  const done = spawnSync("systemd-analyze", args, { encoding: "utf8" });
  if (done.error !== undefined) throw new Error("systemd-analyze is not installed: apt-get install systemd");
  return done;
}

describe("the systemd unit", () => {
  it("is one that systemd finds nothing wrong with, also with workers", () => {
    const { status, stderr } = analyze("verify", "--man=no", join(folder, "runcast.service"));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    writeFileSync(join(folder, "wrong.service"), "[Service]\nExecStart=/bin/true\nRestrat=always\n");
    expect(analyze("verify", "--man=no", join(folder, "wrong.service")).stderr).toContain("Restrat");
  });

  it("leaves little to an attacker, as systemd judges it", () => {
    const { stdout } = analyze("security", "--offline=true", join(folder, "runcast.service"));
    const exposure = Number(/Overall exposure level for runcast\.service: ([\d.]+)/.exec(stdout)?.[1]);
    expect(exposure).toBeLessThanOrEqual(maxExposure);
  });

  it("starts the file that the package ships, and starts it again whatever ends it", () => {
    expect(said("ExecStart")).toBe(`/usr/bin/node ${shippedMain} serve`);
    expect(mainFile.endsWith(shippedMain.split("node_modules/runcast")[1] ?? "?")).toBe(true);
    expect(said("Restart")).toBe("always");
  });

  it("tells one process to drain, and waits for longer than that takes", () => {
    expect(said("KillSignal")).toBe("SIGTERM");
    expect(said("KillMode")).toBe("mixed");
    expect(Number.parseInt(said("TimeoutStopSec") ?? "", 10)).toBeGreaterThan(drainSeconds);
  });

  it("replaces workers by the signal that serve takes for it", () => {
    expect(workers).toContain("ExecReload=/bin/kill -HUP $MAINPID");
    expect(readFileSync(`${root}src/cli/workers/primary.ts`, "utf8")).toContain('"SIGHUP"');
    // One process alone would end at it.
    expect(unit).not.toContain("ExecReload");
  });
});
