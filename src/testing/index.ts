/** `runcast/testing`: what we test our own parts with, for yours. Works with every test runner of the usual shape. */
export {
  type ContractOptions,
  type Expectation,
  eventLogContract,
  type MadeLog,
  type TestKit,
} from "./event-log-contract.ts";
export { type ManualClock, manualClock } from "./manual-clock.ts";
