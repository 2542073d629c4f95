/**
 * The order of the end-to-end files: those that take long begin first, so that no worker is left alone with one at the end. From
 * a fresh checkout the runner knows the sizes of files only, and these say little.
 */
import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";

const long = [
  /\/e2e\/fleet\/nodes-/,
  /\/e2e\/browser\./,
  /\/e2e\/fleet\/(across|store)-/,
  /\/e2e\/faults\/(network-cut|disk-epoch|auth-doors)\./,
  /\/e2e\/fleet\/once-/,
  /\/e2e\/(faults\/ladder|escalation|crash|workers|migrate)\./,
];

const rank = ({ moduleId }: TestSpecification): number => {
  const at = long.findIndex((each) => each.test(moduleId));
  return at === -1 ? long.length : at;
};
const groupOf = ({ project }: TestSpecification): number => project.config.sequence.groupOrder;

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => groupOf(one) - groupOf(other) || rank(one) - rank(other));
  }
}
