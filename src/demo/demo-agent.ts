/**
 * The agent of `npm start`: a real tool loop of the AI SDK that runs through `runners/ai-sdk` like anybody's agent
 * would. With a key in the environment a living model drives it, otherwise a recorded one.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runAiSdk } from "../runners/ai-sdk.ts";
import type { RunOutcome } from "../runners/outcome.ts";
import type { Run } from "../runtime/run-handle.ts";
import type { DemoEnv } from "./demo-model.ts";
import { agentName, anthropicWebSearch, demoModel, modelChoice } from "./demo-model.ts";
import { DocsSearch } from "./docs-search.ts";
import { optionalPackage } from "./optional-package.ts";
import { paceOf } from "./pace.ts";
import type { ThreadOf } from "./threads.ts";
import { Threads } from "./threads.ts";

export interface DemoAgentOptions {
  /** 1 is a model's speed, more is faster, `Infinity` does not wait. Default: `RUNCAST_DEMO_SPEED`, or 1. */
  readonly speed?: number | undefined;
  /** Default: the process's own. */
  readonly env?: DemoEnv | undefined;
  /** The folder with README.md and docs/. Default: the package's own. */
  readonly docsRoot?: string | undefined;
}

export interface DemoQuestion extends ThreadOf {
  /** A started run of that user and thread. */
  readonly run: Run;
  readonly text: string;
}

export interface DemoAgent {
  /** For `startRun({ agent })`: it says which model answers. */
  readonly name: string;
  readonly isRecorded: boolean;
  readonly questions: readonly string[];
  /** Answers in the run, up to the run's end. Fails: as `runAiSdk` does. */
  answer(question: DemoQuestion): Promise<RunOutcome>;
}

/** Each shows another side: parallel tools, the docs, a tool at the provider's, a failure. */
export const demoQuestions: readonly string[] = [
  "What is 15% of 2,480, and what time is it in Tokyo and New York?",
  "How does a client resume after a lost connection?",
  "Search the web for today's tech news",
  "Show me a model error",
];

const maxSteps = 6;
const instructions =
  "You are the demo agent of Runcast, which carries the events of agent runs to their users. Use your tools, several at once when they do not need each other. Answer briefly.";

/** Makes the demo agent; nothing is loaded before the first question. */
export function createDemoAgent(options: DemoAgentOptions = {}): DemoAgent {
  const env = options.env ?? process.env;
  const choice = modelChoice(env);
  const isRecorded = choice.kind === "recorded";
  const pace = paceOf(options.speed ?? speedFrom(env));
  const docs = new DocsSearch(options.docsRoot ?? packageRoot());
  const threads = new Threads();
  // A living model needs no help to be slow enough.
  const toolPace = isRecorded ? pace : paceOf(Number.POSITIVE_INFINITY);

  return {
    name: agentName(choice),
    isRecorded,
    questions: demoQuestions,
    answer: async ({ run, text, ...thread }) => {
      const outcome = await runAiSdk(run, async (wiring) => {
        const { isStepCount, streamText } = await optionalPackage("ai", () => import("ai"));
        const { demoTools } = await import("./demo-tools.ts");
        const { model, webSearch } = await demoModel(choice, env, text, pace);
        const tools = demoTools({ docs, pace: toolPace });
        return streamText({
          ...wiring,
          model,
          instructions,
          tools: webSearch === undefined ? tools : { ...tools, web_search: await anthropicWebSearch() },
          stopWhen: isStepCount(maxSteps),
          messages: [...threads.of(thread), { role: "user", content: text }],
          // A recording would only fail again.
          ...(isRecorded && { maxRetries: 0 }),
          // The run says it; the process's console need not.
          onError: () => {},
        });
      });
      if (outcome.state === "completed" && typeof outcome.output === "string") {
        threads.add(thread, [
          { role: "user", content: text },
          { role: "assistant", content: outcome.output },
        ]);
      }
      return outcome;
    },
  };
}

function speedFrom(env: DemoEnv): number {
  const speed = Number(env["RUNCAST_DEMO_SPEED"] ?? 1);
  return speed > 0 ? speed : 1;
}

/** The nearest folder above that is a package: in a checkout and in an installation alike. */
function packageRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; dirname(folder) !== folder; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
  }
  return here;
}
