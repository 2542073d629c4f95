/** The order of test files for mutants: a mutant ends at its first failing test, so quick files run before long ones. */
import { readFileSync } from "node:fs";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Runs hundreds of cases. */
const isLong = ({ moduleId }: TestSpecification): boolean =>
  /fast-check|run-model/.test(readFileSync(moduleId, "utf8"));

export class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return [...files.filter((file) => !isLong(file)), ...files.filter(isLong)];
  }
}
