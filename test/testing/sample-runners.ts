/** Runners as people write them: each of the bad ones has one mistake, and the good ones have none. */
import type { Run } from "../../src/runtime/run-handle.ts";
import { runAgent } from "../../src/runners/plain.ts";
import type { RunnerRule, Stage, TwistKind } from "../../src/testing/index.ts";

type SampleRunner = (run: Run, stage: Stage) => unknown;

const executing = (toolCallId: string, attempt = 1) =>
  ({ type: "tool_executing", data: { toolCallId, toolName: toolCallId, attempt } }) as const;
const closed = (toolCallId: string) => ({ type: "tool_completed", data: { toolCallId, status: "ok" } }) as const;

/** Ends the run whatever happens in between, as every runner must. */
const ending =
  (agent: SampleRunner): SampleRunner =>
  async (run, stage) => {
    try {
      await agent(run, stage);
      if (run.signal.aborted) await run.cancelled();
      else await run.completed();
    } catch (error) {
      if (run.signal.aborted) await run.cancelled();
      else await run.failed({ code: "error", message: String(error) });
    }
  };

/** What the log does not take is another sample's mistake. */
const quietLog: readonly TwistKind[] = ["logUnavailable", "logUnknown", "takeover", "lapse"];

export interface Sample {
  readonly name: string;
  readonly rule: RunnerRule;
  /** What follows from it under other schedules. */
  readonly also?: readonly RunnerRule[];
  /** Of the event at fault. */
  readonly type?: string;
  readonly runner: SampleRunner;
  /** It shows nothing while all goes in order. */
  readonly isCalm?: boolean;
  readonly without?: readonly TwistKind[];
  readonly restarts?: boolean;
}

export const badRunners: readonly Sample[] = [
  {
    name: "completes with an open tool",
    rule: "illegal-order",
    type: "agent_completed",
    without: quietLog,
    runner: async (run, { tool }) => {
      await run.emit(executing("slow"));
      const result = tool("slow", () => 1)().catch(() => 0);
      await run.completed().catch(() => run.failed({ code: "refused", message: "refused" }));
      await result;
    },
  },
  {
    name: "publishes after completion",
    rule: "after-end",
    type: "agent_message",
    without: quietLog,
    runner: async (run) => {
      await run.completed();
      await run.message("m", "one more thing").catch(() => {});
    },
  },
  {
    name: "forgets the terminal when a tool throws",
    rule: "left-open",
    isCalm: true,
    without: quietLog,
    runner: async (run) => {
      await run.tool({ toolName: "search" }, () => 1);
      await run.completed();
    },
  },
  {
    name: "completes a tool twice when an answer is lost: no key",
    rule: "illegal-order",
    type: "tool_completed",
    also: ["after-end"],
    isCalm: true,
    without: ["takeover", "lapse"],
    runner: ending(async (run, { tool }) => {
      await run.emit(executing("pay")).catch(() => {});
      await tool("pay", () => 1)().catch(() => {});
      await run.emit(closed("pay")).catch(() => run.emit(closed("pay")));
    }),
  },
  {
    name: "ignores cancellation, event after event",
    rule: "ignores-cancel",
    isCalm: true,
    without: quietLog,
    runner: ending(async (run) => {
      for (let step = 1; step <= 8; step += 1) await run.thinking(`step ${step}`);
    }),
  },
  {
    name: "hears of no cancellation while it waits",
    rule: "ignores-cancel",
    isCalm: true,
    without: quietLog,
    runner: async (run, { clock }) => {
      await new Promise<void>((resolve) => clock.after(60_000, resolve));
      await run.completed().catch(() => {});
    },
  },
  {
    name: "ends the run while a sibling tool still runs",
    rule: "tool-outlives-run",
    type: "tool_completed",
    isCalm: true,
    without: quietLog,
    runner: ending((run) => Promise.all([run.tool({ toolName: "a" }, () => 1), run.tool({ toolName: "b" }, () => 2)])),
  },
  {
    name: "takes the second tool to finish last",
    rule: "illegal-order",
    also: ["after-end"],
    type: "agent_completed",
    isCalm: true,
    without: quietLog,
    runner: async (run, { tool }) => {
      await run.emit([executing("a"), executing("b")]);
      const first = (async () => {
        await tool("a", () => 1)().catch(() => 0);
        await run.emit(closed("a"));
      })().catch(() => {});
      const second = tool("b", () => 2)().catch(() => 0);
      await second;
      await run.emit(closed("b"));
      await run.completed().catch(() => run.failed({ code: "refused", message: "refused" }));
      await first;
    },
  },
  {
    name: "does not look whether a token was written",
    rule: "lost-unnoticed",
    also: ["after-end"],
    type: "agent_delta",
    isCalm: true,
    without: ["takeover", "lapse"],
    runner: ending(async (run, { pause }) => {
      void run.delta("m", "word");
      await pause();
    }),
  },
  {
    name: "starts a tool and lets its promise go",
    rule: "unhandled-rejection",
    isCalm: true,
    without: quietLog,
    runner: ending(async (run) => {
      const visit = run.tool({ toolName: "log visit" }, () => 1);
      void visit.then(() => run.message("m", "visited"));
      await visit.catch(() => {});
    }),
  },
  {
    name: "waits for ever when a tool throws",
    rule: "never-settles",
    also: ["ignores-cancel"],
    isCalm: true,
    without: quietLog,
    runner: ending(
      (run) =>
        new Promise((resolve) => {
          run.tool({ toolName: "ask" }, () => 1).then(resolve, () => {});
        }),
    ),
  },
  {
    name: "goes on when the run is another's",
    rule: "ignores-loss",
    isCalm: true,
    without: ["logUnavailable", "logUnknown", "cancel"],
    runner: async (run) => {
      for (let step = 1; step <= 8; step += 1) await run.thinking().catch(() => {});
      await run.completed().catch(() => {});
    },
  },
  {
    name: "runs the same call again after a crash",
    rule: "illegal-order",
    type: "tool_executing",
    isCalm: true,
    restarts: true,
    without: quietLog,
    runner: ending(async (run, { tool }) => {
      await run.emit(executing("book"));
      await tool("book", () => 1)().catch(() => {});
      await run.emit(closed("book"));
    }),
  },
  {
    name: "does what was denied, without resuming",
    rule: "illegal-order",
    type: "tool_executing",
    isCalm: true,
    without: quietLog,
    runner: async (run, { decisions, attempt }) => {
      if (attempt === 1) return run.suspended({ reason: "pay?", approvals: [{ approvalId: "pay" }] });
      if (decisions["pay"] === "approve") await run.resumed();
      await run.emit(executing("pay")).catch(() => run.resumed());
      return run.failed({ code: "end", message: "end" });
    },
  },
  {
    name: "suspends again whatever it is answered",
    rule: "left-open",
    also: ["ignores-cancel"],
    without: quietLog,
    runner: async (run, { attempt }) => {
      if (run.state === "suspended") await run.resumed();
      await run.suspended({ reason: "sure?", approvals: [{ approvalId: `sure-${attempt}` }] });
    },
  },
  {
    name: "names another user in what it says",
    rule: "refused",
    type: "agent_progress",
    without: quietLog,
    runner: ending((run) =>
      run.emit({ type: "agent_progress", data: { message: "hi", userId: "somebody else" } }).catch(() => {}),
    ),
  },
];

export const goodRunners: readonly Pick<Sample, "name" | "runner" | "restarts">[] = [
  {
    name: "runAgent with tools in parallel and in turn",
    runner: (run) =>
      runAgent(run, async (agent) => {
        await agent.thinking("which?");
        const [a, b] = await Promise.all([agent.tool("a", () => 1), agent.tool("b", () => 2)]);
        const c = await agent.tool("c", () => a + b).catch(() => 0);
        await agent.delta("m", `${c}`);
        await agent.message("m", `${c}`);
        return c;
      }),
  },
  {
    name: "runAgent with a tool that nobody waits for",
    runner: (run) =>
      runAgent(run, async (agent) => {
        agent.tool("visit", () => 1).catch(() => {});
        await agent.thinking();
      }),
  },
  {
    name: "runAgent that asks a human",
    runner: (run, { decisions, attempt }) =>
      runAgent(run, async (agent) => {
        if (attempt === 1) return run.suspended({ reason: "pay?", approvals: [{ approvalId: "pay" }] });
        if (run.state === "suspended") await run.resumed();
        return decisions["pay"] === "approve" ? agent.tool("pay", () => "paid") : "not paid";
      }),
  },
  {
    name: "runAgent that refuses a stop, and goes on",
    runner: (run, { pause }) =>
      runAgent(run, async (agent) => {
        let hasRefused = false;
        for (let step = 1; step <= 6; step += 1) {
          await agent.thinking(`step ${step}`);
          await pause();
          if (!agent.signal.aborted || hasRefused) continue;
          hasRefused = true;
          await agent.refuseStop("nearly done");
        }
      }),
  },
  {
    name: "runAgent that begins again after a crash, and closes what its former life left open",
    restarts: true,
    runner: (run, { runcast }) =>
      runAgent(run, async (agent) => {
        const { tools } = await runcast.run(run.runId);
        for (const { toolCallId, status } of tools)
          if (status === "executing")
            await run.emit({ type: "tool_completed", data: { toolCallId, status: "cancelled" } });
        await agent.thinking();
        return agent.tool("look", () => 1).catch(() => 0);
      }),
  },
];
