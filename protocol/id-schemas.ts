/**
 * The one schema of each id, for `codec` and the other schemas. Apart from `ids`: the threads of a log need ids and
 * no schemas, and are there sooner without them.
 */
import * as z from "zod/mini";
import { anyName, type NameRule, runName, shortName } from "./name-rule.ts";

const named = ({ right, holds }: NameRule) => z.string().check(z.refine(holds, right));

export const runIdSchema = named(runName);
export const userIdSchema = named(anyName);
export const tenantIdSchema = named(anyName);
export const deviceIdSchema = named(shortName);
export const epochSchema = named(shortName);
/** Thread, tool call, message and approval ids: opaque names that the runner chooses. */
export const nameSchema = named(anyName);
