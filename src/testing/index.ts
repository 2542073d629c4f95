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
export { examineEvents, type EventsExamination, type ExamineEventsOptions } from "./runner/examine-events.ts";
export { type Examination, type ExamineOptions, examineRunner } from "./runner/examine-runner.ts";
export type { Finding, Report, RunnerRule } from "./runner/finding.ts";
export { type Played, type PlayOptions, playRunner, type Runner } from "./runner/play.ts";
export { calm, type Schedule, scheduleText, type Twist, type TwistKind } from "./runner/schedule.ts";
export { type Decision, type Stage, ToolFailed } from "./runner/stage.ts";
