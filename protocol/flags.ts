/**
 * The feature flags: every one that there is, what it may be, and the rules by which users get different values. What
 * comes from operators passes `checkFlags`, which answers a mistake with the list of what would be right.
 */
import * as z from "zod/mini";
import { nameSchema, tenantIdSchema } from "./id-schemas.ts";
import type { Decoded } from "./json.ts";
import { refused } from "./json.ts";

/** `asked`: who asks for batches, or whose tier does. `on`: everybody, as wide as they may be. `adaptive`: by health. */
export type Batching = "off" | "asked" | "on" | "adaptive";
export type ContaminationPolicy = "refuse" | "sanitize";

export interface FlagValues {
  readonly batching: Batching;
  readonly performanceMode: boolean;
  readonly contaminationPolicy: ContaminationPolicy;
  readonly "fallbacks.spool": boolean;
  readonly "fallbacks.direct": boolean;
  readonly "fallbacks.webPush": boolean;
  readonly "fallbacks.webhook": boolean;
  readonly "fallbacks.email": boolean;
  readonly "fallbacks.sms": boolean;
  readonly "fallbacks.alert": boolean;
}
export type FlagName = keyof FlagValues;
export type FlagValue = FlagValues[FlagName];
/** The flags that are on or off. */
export type SwitchName = { [Name in FlagName]: FlagValues[Name] extends boolean ? Name : never }[FlagName];

/** A value for all, or by whom it concerns: the tenant's goes before the share's, the share's before the default. */
export type FlagRule<Value> =
  | Value
  | {
      readonly default: Value;
      readonly tenants?: Readonly<Record<string, Value>> | undefined;
      /** A share of the users, in percent: the same ones every time, and still in it when it grows. */
      readonly percent?:
        | { readonly value: Value; readonly percent: number; readonly seed?: string | undefined }
        | undefined;
    };
/** What operators have set; the rest is as by default. */
export type FlagSet = { readonly [Name in FlagName]?: FlagRule<FlagValues[Name]> };
/** null: as by default again. */
export type FlagPatch = { readonly [Name in FlagName]?: FlagRule<FlagValues[Name]> | null };

/** Every flag with its rule, and how often the set has changed. */
export interface FlagsAnswer {
  readonly flags: Readonly<Record<FlagName, FlagRule<FlagValue>>>;
  readonly version: number;
}

const maxTenants = 1_000;
const maxPercent = 100;

function ruleOf<Schema extends z.ZodMiniType>(value: Schema) {
  return z.union([
    value,
    z.strictObject({
      default: value,
      tenants: z.optional(
        z
          .record(tenantIdSchema, value)
          .check(z.refine((tenants) => Object.keys(tenants).length <= maxTenants, `at most ${maxTenants} tenants`)),
      ),
      percent: z.optional(
        z.strictObject({
          value,
          percent: z.number().check(z.minimum(0), z.maximum(maxPercent)),
          seed: z.optional(nameSchema),
        }),
      ),
    }),
  ]);
}

const onOrOff = { schema: ruleOf(z.boolean()), right: "true or false" };
const known = {
  batching: {
    schema: ruleOf(z.enum(["off", "asked", "on", "adaptive"])),
    right: '"off", "asked", "on" or "adaptive"',
  },
  performanceMode: onOrOff,
  contaminationPolicy: { schema: ruleOf(z.enum(["refuse", "sanitize"])), right: '"refuse" or "sanitize"' },
  "fallbacks.spool": onOrOff,
  "fallbacks.direct": onOrOff,
  "fallbacks.webPush": onOrOff,
  "fallbacks.webhook": onOrOff,
  "fallbacks.email": onOrOff,
  "fallbacks.sms": onOrOff,
  "fallbacks.alert": onOrOff,
} satisfies Record<FlagName, { readonly schema: z.ZodMiniType; readonly right: string }>;

export const flagNames = Object.keys(known) as readonly FlagName[];
const isFlagName = (name: string): name is FlagName => Object.hasOwn(known, name);
const ruleShape = `a rule {"default", "tenants"?: {tenant: value}, "percent"?: {"value", "percent": 0 to ${maxPercent}, "seed"?}}`;

/** What would be right for each flag. */
export const flagWords: readonly string[] = flagNames.map((name) => `${name}: ${known[name].right}`);

/** Holds a change of flags against what there is. The first mistake is named, with what would be right. */
export function checkFlags(patch: unknown): Decoded<FlagPatch> {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch))
    return refused("", `must be an object of flags; known are ${flagNames.join(", ")}`);
  for (const [name, rule] of Object.entries(patch)) {
    if (!isFlagName(name)) return refused(name.slice(0, 100), `is no flag; known are ${flagNames.join(", ")}`);
    if (rule === null || known[name].schema.safeParse(rule).success) continue;
    return refused(name, `must be ${known[name].right}, ${ruleShape} of them, or null for the default`);
  }
  return { ok: true, value: patch };
}
