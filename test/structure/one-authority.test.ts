/**
 * L12 and the layer rule are not a convention: the compiler and the linter refuse what would break them. This copies
 * the house, adds one offender at a time where it would do harm, and asks the real tools.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const copied = ["protocol", "machines", "src", "scripts", "tsconfig.base.json", "oxlint.config.ts"];
const compileTimeoutMs = 120_000;

interface Offence {
  readonly says: string;
  /** Where the offender stands; the rules depend on it. */
  readonly file: string;
  readonly source: string;
  /** A piece of the complaint. */
  readonly complaint: RegExp;
}

const refusedByCompiler: readonly Offence[] = [
  {
    says: "nobody can construct a broadcast authority",
    file: "src/gateway/offender-construct.ts",
    source: `import { BroadcastAuthority } from "../runtime/transport.ts";
export const forged = new BroadcastAuthority();`,
    complaint: /TS2673.*private/,
  },
  {
    says: "an object that looks like an authority is none",
    file: "src/gateway/offender-forge.ts",
    source: `import type { BroadcastAuthority } from "../runtime/transport.ts";
export const forged: BroadcastAuthority = { isMinted: true };`,
    complaint: /TS2741.*#minted/,
  },
  {
    says: "a class cannot inherit the authority",
    file: "src/gateway/offender-inherit.ts",
    source: `import { BroadcastAuthority } from "../runtime/transport.ts";
export class Forged extends BroadcastAuthority {}`,
    complaint: /TS2675.*private/,
  },
  {
    says: "a transport writes nothing without an authority",
    file: "src/runtime/offender-write.ts",
    source: `import type { EncodedFrame, Transport } from "./transport.ts";
export const shout = (transport: Transport, frame: EncodedFrame) => transport.write(frame);`,
    complaint: /TS2554/,
  },
  {
    says: "a transport closes and pings nothing without an authority",
    file: "src/runtime/offender-close.ts",
    source: `import type { Transport } from "./transport.ts";
export const hangUp = (transport: Transport) => { transport.ping(); transport.close(1000, "bye"); };`,
    complaint: /TS2554/,
  },
  {
    says: "the protocol cannot import a machine",
    file: "protocol/offender-layer.ts",
    source: `export { runMachine } from "../machines/run.ts";`,
    complaint: /TS(6059|6307)/,
  },
  {
    says: "a machine cannot import from src",
    file: "machines/offender-layer.ts",
    source: `export { systemClock } from "../src/platform/clock.ts";`,
    complaint: /TS(6059|6307)/,
  },
  {
    says: "a machine has no timer",
    file: "machines/offender-timer.ts",
    source: "export const later = (task: () => void) => setTimeout(task, 1);",
    complaint: /TS2304.*setTimeout/,
  },
  {
    says: "a machine has no process and no network",
    file: "machines/offender-io.ts",
    source: "export const leak = () => fetch(process.env.HOME);",
    complaint: /TS2304.*fetch/,
  },
  {
    says: "the client cannot import the server",
    file: "src/client/offender-layer.ts",
    source: `export { systemClock } from "../platform/clock.ts";`,
    complaint: /TS(6059|6307)/,
  },
  {
    says: "a run id is no address",
    file: "src/runtime/offender-address.ts",
    source: `import type { RunId, UserId } from "../../protocol/ids.ts";
export const address = (runId: RunId): UserId => runId;`,
    complaint: /TS2322.*UserId/,
  },
];

const mints = /no-restricted-imports.*BroadcastAuthority|BroadcastAuthority.*no-restricted-imports/;
const refusedByLinter: readonly Offence[] = [
  {
    says: "only the supervisor imports the authority's class",
    file: "src/gateway/offender-import.ts",
    source: `export { BroadcastAuthority } from "../runtime/transport.ts";`,
    complaint: mints,
  },
  {
    says: "not even under the name of its module",
    file: "src/runtime/offender-namespace.ts",
    source: `import * as transport from "./transport.ts";
export const authority = transport.BroadcastAuthority;`,
    complaint: mints,
  },
  {
    says: "only the supervisor mints",
    file: "src/cli/offender-mint.ts",
    source: `const transport = await import("../runtime/transport.ts");
export const authority = transport.BroadcastAuthority["mintAuthority"]();`,
    complaint: /mintAuthority.*no-restricted-properties/,
  },
  {
    says: "nothing is cast into an authority",
    file: "src/runtime/offender-cast.ts",
    source: `import type { BroadcastAuthority, EncodedFrame, Transport } from "./transport.ts";
export const shout = (transport: Transport, frame: EncodedFrame) => {
  transport.write(null as never, frame);
  transport["close"]({ isMinted: true } as unknown as BroadcastAuthority, 1000, "bye");
};`,
    complaint: /no-forgery[\s\S]*no-forgery/,
  },
  {
    says: "nor is its module imported while the code runs",
    file: "src/facade/offender-late.ts",
    source: `export const transport = await import("../runtime/transport.ts");`,
    complaint: /no-forgery/,
  },
  {
    says: "nor is a module whose name nobody can read",
    file: "src/fallback/offender-hidden.ts",
    source: `export const load = async (name: string): Promise<unknown> => import(name);`,
    complaint: /no-forgery/,
  },
  {
    says: "only the gateway makes transports of sockets",
    file: "src/fallback/offender-door.ts",
    source: `export { WebSocketTransport } from "../gateway/websocket-transport.ts";`,
    complaint: /websocket-transport.*no-restricted-imports/,
  },
  ...["facade", "fallback", "spool", "runners", "telemetry"].map((folder) => ({
    says: `only the gateway opens sockets, and not src/${folder}`,
    file: `src/${folder}/offender-socket.ts`,
    source: `export { WebSocketServer } from "ws";`,
    complaint: /'ws'.*no-restricted-imports/,
  })),
  {
    says: "only the gateway opens sockets (ws)",
    file: "src/runtime/offender-socket.ts",
    source: `export { WebSocket } from "ws";`,
    complaint: /'ws'.*no-restricted-imports/,
  },
  {
    says: "only the gateway opens sockets (node:http)",
    file: "src/cli/offender-http.ts",
    source: `export { createServer } from "node:http";`,
    complaint: /'node:http'.*no-restricted-imports/,
  },
  {
    says: "only the gateway opens sockets (by src/platform/node-http)",
    file: "src/runtime/offender-platform-http.ts",
    source: `export { createServer } from "../platform/node-http.ts";`,
    complaint: /node-http.*no-restricted-imports/,
  },
  {
    says: "nothing of a server loads undici (by an import from node:http)",
    file: "src/gateway/offender-http.ts",
    source: `export { createServer } from "node:http";`,
    complaint: /'node:http'.*no-restricted-imports/,
  },
  {
    says: "a channel calls nobody but through the guarded request (node:https)",
    file: "src/fallback/offender-https.ts",
    source: `export { request } from "node:https";`,
    complaint: /'node:https'.*no-restricted-imports/,
  },
  {
    says: "a channel calls nobody but through the guarded request (fetch)",
    file: "src/fallback/offender-fetch.ts",
    source: `export const call = () => fetch("https://a.example");`,
    complaint: /fetch.*no-restricted-globals/,
  },
  {
    says: "only the log opens SQLite",
    file: "src/gateway/offender-sqlite.ts",
    source: `export { DatabaseSync } from "node:sqlite";`,
    complaint: /'node:sqlite'.*no-restricted-imports/,
  },
  {
    says: "schemas stand in the protocol",
    file: "src/runtime/offender-schema.ts",
    source: `export { string } from "zod/mini";`,
    complaint: /'zod\/mini'.*no-restricted-imports/,
  },
  {
    says: "machines import no Effect",
    file: "machines/offender-effect.ts",
    source: `export { succeed } from "effect/Effect";`,
    complaint: /'effect\/Effect'.*no-restricted-imports/,
  },
  {
    says: "the client carries no schemas",
    file: "src/client/offender-schema.ts",
    source: `export { isRunId } from "../../protocol/ids.ts";`,
    complaint: /'..\/..\/protocol\/ids.ts'.*no-restricted-imports/,
  },
  {
    says: "one place parses",
    file: "src/gateway/offender-parse.ts",
    source: "export const parse = (text: string): unknown => JSON.parse(text);",
    complaint: /JSON.parse.*no-restricted-properties/,
  },
  {
    says: "machines read no clock",
    file: "machines/offender-clock.ts",
    source: "export const now = () => Date.now();",
    complaint: /runcast\(ambient-time\)/,
  },
  {
    says: "the runtime sets no timer of its own",
    file: "src/runtime/offender-timer.ts",
    source: "export const later = (task: () => void) => setTimeout(task, 1);",
    complaint: /setTimeout.*no-restricted-globals/,
  },
  {
    says: "the runtime draws no random number of its own",
    file: "src/runtime/offender-chance.ts",
    source: "export const draw = () => Math.random();",
    complaint: /Math.random.*no-restricted-properties/,
  },
  {
    says: "a promise is never left floating",
    file: "src/runtime/offender-floating.ts",
    source: `const work = async () => 1;
export const start = () => { work(); };`,
    complaint: /no-floating-promises/,
  },
  {
    says: "`any` is refused",
    file: "src/runtime/offender-any.ts",
    source: "export const anything: any = 1;",
    complaint: /no-explicit-any/,
  },
  {
    says: "a fold that forgets a type of event is refused",
    file: "machines/offender-fold.ts",
    source: `import type { RunEvent } from "../protocol/event.ts";
export function shown(event: RunEvent): string {
  switch (event.type) {
    case "agent_started":
      return "started";
  }
  return "";
}`,
    complaint: /switch-exhaustiveness-check/,
  },
  {
    says: "an import cycle is refused",
    file: "src/runtime/offender-cycle.ts",
    source: `import { there } from "./offender-cycle-back.ts";
export const here = () => there;`,
    complaint: /import\(no-cycle\)/,
  },
];

/** What the house itself may do, so that a rule that refuses everything is noticed too. */
const allowed: Readonly<Record<string, string>> = {
  "src/gateway/innocent-type.ts": `export type { BroadcastAuthority } from "../runtime/transport.ts";`,
  "src/gateway/innocent-socket.ts": `export { WebSocket } from "ws";`,
  "src/log/innocent-sqlite.ts": `export { DatabaseSync } from "node:sqlite";`,
  "src/runtime/innocent-date.ts": "export const stamp = (atMs: number) => new Date(atMs).toISOString();",
  "src/cli/innocent-timer.ts": "export const later = (task: () => void) => setTimeout(task, 1);",
};

let house: string;
let complaints: { readonly compiler: readonly string[]; readonly linter: readonly string[] };

/** The complaint lines of a tool that is expected to fail. */
function refusals(command: string, ...args: string[]): string[] {
  const done = spawnSync(join(root, "node_modules/.bin", command), args, {
    cwd: house,
    encoding: "utf8",
    env: { ...process.env, PATH: `${join(root, "node_modules/.bin")}:${process.env["PATH"]}`, FORCE_COLOR: "0" },
  });
  if (done.error !== undefined) throw done.error;
  expect(done.status, done.stdout + done.stderr).toBeGreaterThan(0);
  return done.stdout.split("\n");
}

const about = (lines: readonly string[], file: string) => lines.filter((line) => line.startsWith(file)).join("\n");

describe("structure", () => {
  beforeAll(() => {
    mkdirSync(join(root, "dist"), { recursive: true });
    // Inside the tree, so that packages are found; below dist, so that no other check sees it.
    house = mkdtempSync(join(root, "dist/structure-"));
    // A repository of its own to the linter's eyes: ours ignores dist.
    mkdirSync(join(house, ".git"));
    for (const part of copied) cpSync(join(root, part), join(house, part), { recursive: true });
    writeFileSync(join(house, "package.json"), readFileSync(join(root, "package.json")));
    const offenders = [...refusedByCompiler, ...refusedByLinter].map(({ file, source }) => [file, source] as const);
    const back = [
      "src/runtime/offender-cycle-back.ts",
      `import { here } from "./offender-cycle.ts";\nexport const there = () => here;`,
    ];
    for (const [file, source] of [...offenders, ...Object.entries(allowed), back]) {
      mkdirSync(dirname(join(house, file ?? "")), { recursive: true });
      writeFileSync(join(house, file ?? ""), `${source}\n`);
    }
    complaints = {
      compiler: refusals("tsc", "-b", "--pretty", "false", "protocol", "machines", "src/client", "src"),
      linter: refusals("oxlint", "--format", "unix", "protocol", "machines", "src"),
    };
  }, compileTimeoutMs);

  afterAll(() => {
    rmSync(house, { recursive: true, force: true });
  });

  it.each(refusedByCompiler)("compiler: $says", ({ file, complaint }) => {
    expect(about(complaints.compiler, file)).toMatch(complaint);
  });

  it.each(refusedByLinter)("linter: $says", ({ file, complaint }) => {
    expect(about(complaints.linter, file)).toMatch(complaint);
  });

  it.each(Object.keys(allowed))("lets %s be", (file) => {
    expect(about(complaints.compiler, file)).toBe("");
    expect(about(complaints.linter, file)).toBe("");
  });
});
