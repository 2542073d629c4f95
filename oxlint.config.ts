/**
 * The rules that the compiler cannot say. Who may import what is one table, `lifted`: every layer lives under all
 * bans, and each exception is named there with the folder that is its home. test/structure proves that they bite.
 */
import { defineConfig } from "oxlint";

const useClock =
  "Time, timers and chance come from the Clock port (src/platform/clock.ts): a simulated world must be able to run this.";
const useGateway = "Only src/gateway talks to sockets.";
const useGuardedRequest = "Calls to others go through src/fallback/guarded-request.ts.";
const oneAuthority = "L12: only runtime/supervisor may write to a socket.";

/** A module, or the modules of a pattern, that may not be imported; `importNames`: only these of it. */
interface Limits {
  importNames?: string[];
  allowTypeImports?: boolean;
  message: string;
}
type ModuleBan = Limits & { name: string };
type PatternBan = Limits & ({ regex: string } | { group: string[] });

const modules = {
  effectBarrel: { name: "effect", message: "Import the subpath (effect/Effect): the barrel costs start-up time." },
  ws: { name: "ws", allowTypeImports: true, message: useGateway },
  http: { name: "node:http", allowTypeImports: true, message: useGateway },
  https: { name: "node:https", allowTypeImports: true, message: useGateway },
  http2: { name: "node:http2", allowTypeImports: true, message: useGateway },
  net: { name: "node:net", allowTypeImports: true, message: useGateway },
  sqlite: { name: "node:sqlite", message: "Only src/log talks to SQLite." },
  timers: { name: "node:timers", message: useClock },
  timersPromises: { name: "node:timers/promises", message: useClock },
  perfHooks: { name: "node:perf_hooks", message: useClock },
  crypto: {
    name: "node:crypto",
    importNames: ["randomBytes", "randomUUID", "randomInt", "randomFillSync", "webcrypto"],
    message: useClock,
  },
} satisfies Record<string, ModuleBan>;

const patterns = {
  zod: { group: ["zod", "zod/*"], message: "Schemas stand in protocol/." },
  authority: {
    regex: "/transport(\\.ts|\\.js)?$",
    importNames: ["BroadcastAuthority"],
    allowTypeImports: true,
    message: oneAuthority,
  },
  nodeHttp: { regex: "/platform/node-http(\\.ts|\\.js)?$", message: useGateway },
  doors: {
    regex: "/gateway/(websocket|sse)(-transport)?(\\.ts|\\.js)?$",
    allowTypeImports: true,
    message: oneAuthority,
  },
} satisfies Record<string, PatternBan>;

type Ban = keyof typeof modules | keyof typeof patterns;

/**
 * All bans but those that `lift` names, and `only` on top. A negation in `only` ends the search for that import, so
 * a list of what is allowed stands last.
 */
function imports(
  lift: readonly Ban[] = [],
  only: readonly PatternBan[] = [],
): ["error", { paths: ModuleBan[]; patterns: PatternBan[] }] {
  const standing = <Value>(table: Record<string, Value>) =>
    Object.entries(table).flatMap(([name, ban]) => (lift.some((lifted) => lifted === name) ? [] : [ban]));
  return ["error", { paths: standing<ModuleBan>(modules), patterns: [...standing<PatternBan>(patterns), ...only] }];
}

const clockGlobals = ["setTimeout", "setInterval", "setImmediate", "performance"].map((name) => ({
  name,
  message: useClock,
}));
const clockProperties = [
  { object: "Math", property: "random", message: useClock },
  ...["randomUUID", "getRandomValues"].map((property) => ({ object: "crypto", property, message: useClock })),
  ...["setTimeout", "setInterval", "setImmediate", "performance", "Date", "crypto"].map((property) => ({
    object: "globalThis",
    property,
    message: useClock,
  })),
];
const parse = {
  object: "JSON",
  property: "parse",
  message: "Only protocol/json.ts parses (json-text for it): it bounds size, depth and keys first.",
};
const mint = { property: "mintAuthority", message: oneAuthority };

/** Values from these protocol files would bring zod into the browser. */
const schemaFiles = {
  regex: "/protocol/(access|codec|event|frames|http|ids|index)\\.ts$",
  allowTypeImports: true,
  message: "The client carries no zod: import the type only.",
};

const layers = ["protocol/**", "machines/**", "src/**"];
const ambient = { "no-restricted-globals": "off", "runcast/ambient-time": "off" } as const;

export default defineConfig({
  plugins: ["typescript", "import", "unicorn", "oxc", "promise", "vitest"],
  jsPlugins: ["./scripts/lint/ambient-time.js", "./scripts/lint/one-authority.js"],
  options: { typeAware: true, reportUnusedDisableDirectives: "error" },
  ignorePatterns: ["dist", "coverage", "reports", "**/generated"],
  categories: { correctness: "error" },
  rules: {
    eqeqeq: "error",
    "no-var": "error",
    "no-eval": "error",
    "no-new-func": "error",
    "import/no-cycle": "error",
    "import/no-self-import": "error",
    "import/no-default-export": "error",
    "typescript/no-explicit-any": "error",
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
    "typescript/await-thenable": "error",
    "typescript/ban-ts-comment": "error",
    "typescript/only-throw-error": "error",
    "typescript/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
    "typescript/consistent-type-imports": "error",
    // Ids refuse control characters and count code points on purpose; the ports' functions use no `this`.
    "no-control-regex": "off",
    "typescript/no-misused-spread": "off",
    "typescript/unbound-method": "off",
    // A copy of a set that changes while it is walked.
    "unicorn/no-useless-spread": "off",
    // Narrowing a union is no branch of the test; the second argument of `expect` is what the failure prints.
    "vitest/no-conditional-expect": "off",
    "vitest/require-to-throw-message": "off",
    "vitest/valid-expect": ["error", { maxArgs: 2 }],
    "unicorn/prefer-node-protocol": "error",
    "unicorn/filename-case": ["error", { case: "kebabCase" }],
  },
  overrides: [
    {
      files: layers,
      rules: {
        "no-console": "error",
        "max-lines": ["error", { max: 250, skipBlankLines: true, skipComments: true }],
        "runcast/ambient-time": "error",
        "authority/no-forgery": "error",
        "no-restricted-globals": ["error", ...clockGlobals],
        "no-restricted-properties": ["error", ...clockProperties, parse, mint],
        "no-restricted-imports": imports(),
      },
    },

    // Who may do what nobody else may.
    {
      files: ["protocol/**"],
      rules: {
        "no-restricted-imports": imports(
          ["zod"],
          [{ group: ["*", "!./**", "!zod/mini"], message: "protocol imports nothing but zod/mini." }],
        ),
      },
    },
    { files: ["protocol/json-text.ts"], rules: { "no-restricted-properties": ["error", ...clockProperties, mint] } },
    {
      files: ["machines/**"],
      rules: {
        "no-restricted-imports": imports(
          [],
          [schemaFiles, { group: ["*", "!./**", "!../**", "!xstate"], message: "machines import nothing but xstate." }],
        ),
      },
    },
    {
      files: ["src/platform/**"],
      rules: {
        ...ambient,
        "no-restricted-properties": ["error", parse, mint],
        "no-restricted-imports": imports(["timers", "timersPromises", "perfHooks", "crypto"]),
      },
    },
    {
      files: ["src/gateway/**"],
      rules: { "no-restricted-imports": imports(["ws", "nodeHttp", "https", "http2", "net", "doors"]) },
    },
    // The one way out to URLs that are not ours alone, and what judges where it leads.
    {
      files: ["src/fallback/**"],
      rules: { "no-restricted-globals": ["error", ...clockGlobals, { name: "fetch", message: useGuardedRequest }] },
    },
    {
      files: ["src/fallback/guarded-request.ts", "src/fallback/egress-rules.ts", "src/fallback/public-address.ts"],
      rules: { "no-restricted-imports": imports(["nodeHttp", "https", "net"]) },
    },
    { files: ["src/log/**"], rules: { "no-restricted-imports": imports(["sqlite"]) } },
    {
      files: ["src/runtime/supervisor.ts"],
      rules: {
        "no-restricted-imports": imports(["authority"]),
        "no-restricted-properties": ["error", ...clockProperties, parse],
      },
    },
    {
      files: ["src/client/**"],
      rules: {
        "no-restricted-imports": imports(
          [],
          [
            schemaFiles,
            {
              group: ["*", "!./**", "!../**", "!react", "!xstate"],
              message: "The client imports protocol and machines only.",
            },
          ],
        ),
      },
    },
    {
      files: ["src/publisher/**"],
      rules: {
        "no-restricted-imports": imports(
          [],
          [
            schemaFiles,
            { group: ["*", "!./**", "!../**"], message: "The publisher needs nothing but the platform's fetch." },
          ],
        ),
      },
    },
    { files: ["src/testing/**"], rules: { ...ambient } },
    {
      files: ["src/client/timers.ts", "src/publisher/web-clock.ts"],
      rules: { ...ambient, "no-restricted-properties": ["error", parse, mint] },
    },
    // The edges: a process and a page have a clock, a console and files of their own.
    {
      files: ["src/cli/**", "src/demo/**", "src/console/**"],
      rules: {
        ...ambient,
        "no-console": "off",
        "no-restricted-properties": ["error", mint],
        "no-restricted-imports": imports(["timers", "timersPromises", "perfHooks", "crypto"]),
      },
    },

    // A tool asks for its config by default export.
    {
      files: ["*.config.ts", "src/console/vite.config.ts", "scripts/lint/**"],
      rules: { "import/no-default-export": "off" },
    },
  ],
});
