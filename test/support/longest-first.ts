/**
 * The order of the end-to-end files: those that take long begin first, so that no worker is left alone with one at the end. From
 * a fresh checkout the runner knows the sizes of files only, and these say little.
 */
import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";

/** Those that keep a core busy stand between those that wait. */
const long = [
  "fleet/nodes-postgres",
  "browser",
  "fleet/nodes-redis",
  "faults/disk-epoch",
  "fleet/across-postgres",
  "escalation",
  "fleet/store-redis",
  "faults/ladder",
  "fleet/across-redis",
  "faults/process-pause",
  "fleet/store-postgres",
  "fleet/once-postgres",
  "fleet/once-redis",
  "crash",
  "faults/network-cut",
  "workers",
  "migrate",
].map((name) => `/test/e2e/${name}.test.ts`);

const rank = ({ moduleId }: TestSpecification): number => {
  const at = long.findIndex((name) => moduleId.endsWith(name));
  return at === -1 ? long.length : at;
};
const groupOf = ({ project }: TestSpecification): number => project.config.sequence.groupOrder;

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => groupOf(one) - groupOf(other) || rank(one) - rank(other));
  }
}
