/**
 * The demo agent as a part of the server: a user's message starts a run, and the agent answers in it. Runs that a
 * killed server left behind end at once: their agent died with it and cannot go on.
 */
import type { JsonObject } from "../../protocol/event.ts";
import { InvalidInput } from "../errors.ts";
import type { RunRecord } from "../log/event-log.ts";
import type { Runcast } from "../runcast.ts";
import type { UserCommand } from "../runtime/options.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { DemoAgentOptions } from "./demo-agent.ts";
import { createDemoAgent } from "./demo-agent.ts";

export interface DemoServer {
  readonly onCommand: (command: UserCommand) => Promise<JsonObject>;
  readonly onOrphan: (record: RunRecord) => void;
  /** The runcast that runs are started in; before it, no command can come. */
  readonly begin: (runcast: Runcast) => void;
}

const maxTextChars = 8_000;
const restarted = {
  code: "server_restarted",
  message: "The server was restarted while the agent worked.",
  retryable: true,
};

function textOf({ data }: UserCommand): string {
  const { text } = data;
  if (typeof text === "string" && text.trim() !== "" && text.length <= maxTextChars) return text;
  throw new InvalidInput({ code: "invalid", path: "data.text", message: `must be 1 to ${maxTextChars} characters` });
}

/** Makes the demo's part of a server. */
export function demoServer(journal: Journal, options?: DemoAgentOptions): DemoServer {
  const agent = createDemoAgent(options);
  const begun = Promise.withResolvers<Runcast>();

  return {
    onOrphan: ({ agent: name, runId, tenantId }) => {
      if (name !== agent.name) return;
      begun.promise
        .then((runcast) => runcast.claim(runId, tenantId))
        .then((run) => run.failed(restarted))
        .catch((cause: unknown) => journal.write("warn", "an orphaned demo run could not be ended", { runId, cause }));
    },
    begin: (runcast) => begun.resolve(runcast),
    onCommand: async (command) => {
      const text = textOf(command);
      const { tenantId, userId, threadId } = command;
      const runcast = await begun.promise;
      const thread = threadId === undefined ? {} : { threadId };
      const run = await runcast.startRun({ userId, tenantId, ...thread, agent: agent.name, input: { text } });
      // The reply does not wait for the answer: that comes as events.
      agent.answer({ run, text, userId, tenantId, ...thread }).catch((cause: unknown) => {
        journal.write("error", "the demo agent failed", { runId: run.runId, cause });
      });
      return { runId: run.runId };
    },
  };
}
