/**
 * The contract of the event-log port: one suite that every adapter passes, ours and yours (L15).
 *
 * Each law gets a fresh, empty log from `make` and disposes of it.
 */
import { accountLaws, persistenceLaws } from "./event-log/account-laws.ts";
import { appendLaws } from "./event-log/append-laws.ts";
import { compactionLaws } from "./event-log/compaction-laws.ts";
import { deadLetterLaws } from "./event-log/dead-letter-laws.ts";
import { documentLaws, documentPersistenceLaws } from "./event-log/document-laws.ts";
import type { LawBook, MadeLog, TestKit } from "./event-log/law.ts";
import { outboxLaws, outboxPersistenceLaws } from "./event-log/outbox-laws.ts";
import { readLaws } from "./event-log/read-laws.ts";
import { retirementLaws, retirementPersistenceLaws } from "./event-log/retirement-laws.ts";
import { runLaws } from "./event-log/run-laws.ts";
import { tieredRetirementLaws } from "./event-log/tiered-retirement-laws.ts";

export type { Expectation, MadeLog, TestKit } from "./event-log/law.ts";

export interface ContractOptions extends TestKit {
  /** The log outlives its process: `make` gives a `reopen`. */
  readonly persists?: boolean | undefined;
}

/**
 * Registers the suite with your runner: `eventLogContract("my log", make, { describe, it, expect })`.
 */
export function eventLogContract(name: string, make: () => Promise<MadeLog>, options: ContractOptions): void {
  const { describe, it, expect } = options;
  const law: LawBook["law"] = (sentence, body) =>
    it(sentence, async () => {
      const made = await make();
      try {
        await body(made.log, made);
      } finally {
        await made.dispose();
      }
    });
  const book: LawBook = { law, expect };
  describe(`${name} as an event log`, () => {
    describe("append", () => appendLaws(book));
    describe("read", () => readLaws(book));
    describe("runs", () => runLaws(book));
    describe("cursors, ledger, bells and end", () => accountLaws(book));
    describe("dead letters", () => deadLetterLaws(book));
    describe("documents", () => documentLaws(book));
    describe("outbox", () => outboxLaws(book));
    describe("retirement", () => retirementLaws(book));
    describe("retirement by tier", () => tieredRetirementLaws(book));
    describe("compaction", () => compactionLaws(book));
    if (options.persists === true) {
      describe("persistence", () => {
        persistenceLaws(book);
        retirementPersistenceLaws(book);
        documentPersistenceLaws(book);
        outboxPersistenceLaws(book);
      });
    }
  });
}
