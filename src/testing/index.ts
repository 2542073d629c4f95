/** `runcast/testing`: what we test our own parts with, for yours. Works with every test runner of the usual shape. */
export {
  type ContractOptions,
  type Expectation,
  eventLogContract,
  type MadeLog,
  type TestKit,
} from "./event-log-contract.ts";
export { testRuncast } from "./make-test-runcast.ts";
export { type ManualClock, manualClock } from "./manual-clock.ts";
export type { JournalEntry, TestRuncast, TestRuncastOptions, TestUser } from "./test-runcast.ts";
export type { AppendFault, LogFaults } from "./world/faulty-log.ts";
export type { NetworkFaults } from "./world/network.ts";
export type { CommandFields, Ended, FrameOf, Hello, TestClient } from "./world/test-client.ts";
