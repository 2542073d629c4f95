import { describe, expect, it } from "vitest";
import { Crew } from "../../../src/cli/workers/crew.ts";
import type { Ending, Hand } from "../../../src/cli/workers/hand.ts";
import type { ToWorker } from "../../../src/cli/workers/messages.ts";
import { manualClock, turn } from "../../../src/testing/manual-clock.ts";

/** A worker that does what the test says, and ends when it is drained or killed. */
class ScriptedHand implements Hand {
  readonly pid: number;
  readonly worker: number;
  readonly ready: Promise<string | undefined>;
  readonly ended: Promise<Ending>;
  readonly told: ToWorker[] = [];
  isStubborn = false;
  readonly becomeReady: () => void;
  private readonly end: (ending: Ending) => void;

  constructor(pid: number, worker: number) {
    this.pid = pid;
    this.worker = worker;
    const ready = Promise.withResolvers<string | undefined>();
    const ended = Promise.withResolvers<Ending>();
    this.ready = ready.promise;
    this.ended = ended.promise;
    this.becomeReady = () => ready.resolve("http://127.0.0.1:7420");
    this.end = (ending) => {
      ended.resolve(ending);
      ready.resolve(undefined);
    };
  }

  tell(message: ToWorker): void {
    this.told.push(message);
    if (message.kind === "drain" && !this.isStubborn) this.end({ code: 0, signal: null });
  }

  kill(): void {
    this.die({ code: null, signal: "SIGKILL" });
  }

  die(ending: Ending): void {
    this.end(ending);
  }
}

function crewOf(size: number) {
  const clock = manualClock();
  const hired: ScriptedHand[] = [];
  const written: { readonly what: string; readonly fields: unknown }[] = [];
  const journal = { write: (_: string, what: string, fields?: unknown) => void written.push({ what, fields }) };
  const hire = (worker: number): Hand => {
    const hand = new ScriptedHand(1_000 + hired.length, worker);
    hired.push(hand);
    return hand;
  };
  const crew = new Crew({ size, clock, journal, hire });
  const newest = (): ScriptedHand => {
    const hand = hired.at(-1);
    if (hand === undefined) throw new Error("nobody was hired");
    return hand;
  };
  const started = async (): Promise<void> => {
    const start = crew.start();
    newest().becomeReady();
    await turn();
    for (const hand of hired) hand.becomeReady();
    expect(await start).toBe("http://127.0.0.1:7420");
  };
  const pids = (): unknown[] => crew.members.map(({ hand }) => hand?.pid);
  const said = (what: string): unknown[] => written.filter((line) => line.what === what).map(({ fields }) => fields);
  return { clock, crew, hired, newest, started, pids, said };
}

describe("the workers of one server", () => {
  it("start one first, then the others", async () => {
    const { crew, hired } = crewOf(3);
    const start = crew.start();
    await turn();
    expect(hired.map(({ worker }) => worker)).toEqual([1]);
    hired[0]?.becomeReady();
    await turn();
    expect(hired.map(({ worker }) => worker)).toEqual([1, 2, 3]);
    for (const hand of hired) hand.becomeReady();
    expect(await start).toBe("http://127.0.0.1:7420");
  });

  it("end the whole when the first cannot start: nobody tries again", async () => {
    const { clock, crew, hired, newest } = crewOf(3);
    const start = crew.start();
    newest().die({ code: 1, signal: null });
    expect(await start).toBeUndefined();
    await clock.advance(120_000);
    expect(hired).toHaveLength(1);
  });

  it("end the whole when another cannot start, and leave nobody behind", async () => {
    const { crew, hired } = crewOf(2);
    const start = crew.start();
    hired[0]?.becomeReady();
    await turn();
    hired[1]?.die({ code: 1, signal: null });
    expect(await start).toBeUndefined();
    expect(hired[0]?.told).toEqual([{ kind: "drain", isReplaced: false }]);
  });

  it("say of one that was killed while it started by which signal", async () => {
    const { crew, newest, said } = crewOf(2);
    const start = crew.start();
    newest().die({ code: null, signal: "SIGKILL" });
    expect(await start).toBeUndefined();
    expect(said("worker.notStarted")).toEqual([{ worker: 1, pid: 1_000, signal: "SIGKILL" }]);
  });

  it("replace one that dies, and tell of the death with its signal", async () => {
    const { clock, hired, newest, started, pids, said } = crewOf(2);
    await started();
    hired[0]?.die({ code: null, signal: "SIGSEGV" });
    await turn();
    expect(pids()).toEqual([undefined, 1_001]);
    expect(said("worker.died")).toEqual([{ worker: 1, pid: 1_000, code: null, signal: "SIGSEGV", restartInMs: 250 }]);
    await clock.advance(250);
    newest().becomeReady();
    await turn();
    expect(pids()).toEqual([1_002, 1_001]);
  });

  it("wait longer for each death in a row, at most half a minute, and begin anew after a minute of work", async () => {
    const { clock, newest, started, said } = crewOf(1);
    await started();
    const delays = (): number[] => said("worker.died").map((fields) => Number(Object(fields).restartInMs));
    for (let death = 0; death < 9; death += 1) {
      newest().die({ code: 1, signal: null });
      await clock.advance(30_000);
      newest().becomeReady();
      await turn();
    }
    expect(delays()).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    await clock.advance(60_000);
    newest().die({ code: 1, signal: null });
    await turn();
    expect(delays().at(-1)).toBe(250);
  });

  it("count a new start that fails as one more death, and go on trying", async () => {
    const { clock, hired, newest, started, said } = crewOf(1);
    await started();
    newest().die({ code: 1, signal: null });
    await clock.advance(250);
    newest().die({ code: 1, signal: null });
    await turn();
    expect(said("worker.died")).toMatchObject([{ restartInMs: 250 }, { restartInMs: 500 }]);
    await clock.advance(500);
    expect(hired).toHaveLength(3);
  });

  it("kill one that hangs while it starts", async () => {
    const { clock, newest, started, said } = crewOf(1);
    await started();
    newest().die({ code: 1, signal: null });
    await clock.advance(250);
    await clock.advance(60_000);
    expect(said("worker.died")).toMatchObject([{ code: 1 }, { signal: "SIGKILL" }]);
  });

  it("roll one after another: each is ready before the one before it goes", async () => {
    const { crew, hired, newest, started, pids } = crewOf(2);
    await started();
    const rolled = crew.roll();
    await turn();
    expect(hired).toHaveLength(3);
    expect(hired[0]?.told).toEqual([]);
    newest().becomeReady();
    await turn();
    expect(hired[0]?.told).toEqual([{ kind: "drain", isReplaced: true }]);
    expect(hired[1]?.told).toEqual([]);
    newest().becomeReady();
    expect(await rolled).toBe(true);
    expect(hired[1]?.told).toEqual([{ kind: "drain", isReplaced: true }]);
    expect(pids()).toEqual([1_002, 1_003]);
  });

  it("stay as they are when the first of a roll cannot start", async () => {
    const { crew, hired, newest, started, pids, said } = crewOf(2);
    await started();
    const rolled = crew.roll();
    newest().die({ code: 1, signal: null });
    expect(await rolled).toBe(false);
    expect(pids()).toEqual([1_000, 1_001]);
    expect(hired.slice(0, 2).flatMap(({ told }) => told)).toEqual([]);
    expect(said("workers.rollFailed")).toEqual([{ worker: 1, pid: 1_002, code: 1, signal: null }]);
  });

  it("roll once at a time", async () => {
    const { crew, hired, newest, started } = crewOf(1);
    await started();
    const rolled = crew.roll();
    await crew.roll();
    newest().becomeReady();
    await rolled;
    expect(hired).toHaveLength(2);
  });

  it("drain all when they are to stop, and hire nobody then", async () => {
    const { clock, crew, hired, started } = crewOf(3);
    await started();
    hired[2]?.die({ code: 1, signal: null });
    await turn();
    expect(await crew.stop()).toBe(true);
    await clock.advance(60_000);
    expect(hired).toHaveLength(3);
    expect(hired.map(({ told }) => told.length)).toEqual([1, 1, 0]);
  });

  it("kill one that does not end within ten seconds, and say that it was not drained", async () => {
    const { clock, crew, hired, started } = crewOf(2);
    await started();
    for (const hand of hired.slice(0, 1)) hand.isStubborn = true;
    const stopped = crew.stop();
    await clock.advance(10_000);
    expect(await stopped).toBe(false);
  });
});
