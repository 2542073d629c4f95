/**
 * The model behind the demo agent: a living one if its key is in the environment, otherwise recorded streams played
 * through the real provider packages.
 */
import type { LanguageModel } from "ai";
import { intentOf } from "./intent.ts";
import { optionalPackage } from "./optional-package.ts";
import type { Pace } from "./pace.ts";
import { recordedLines } from "./recording.ts";
import { replayFetch } from "./replay-fetch.ts";
import { chatReplay } from "./script.ts";

export type DemoEnv = Readonly<Record<string, string | undefined>>;

export type ModelChoice =
  | { readonly kind: "recorded" }
  | { readonly kind: "anthropic"; readonly modelId: string }
  /** A base URL of one's own speaks chat completions: that is what everybody else's server does. */
  | { readonly kind: "openai" | "compatible"; readonly modelId: string };

/** A model, and whether its provider searches the web for it. */
export interface DemoModel {
  readonly model: LanguageModel;
  readonly webSearch?: "anthropic" | undefined;
}

const openaiModelId = "gpt-5-mini";
const anthropicModelId = "claude-sonnet-4-5";
/** Nobody listens there: every request is answered by the replay. */
const nowhere = "http://recorded.invalid/v1";

const openai = () => optionalPackage("@ai-sdk/openai", () => import("@ai-sdk/openai"));
const anthropic = () => optionalPackage("@ai-sdk/anthropic", () => import("@ai-sdk/anthropic"));
const compatible = () => optionalPackage("@ai-sdk/openai-compatible", () => import("@ai-sdk/openai-compatible"));

/** Which model the environment asks for. */
export function modelChoice(env: DemoEnv): ModelChoice {
  const modelId = env["RUNCAST_DEMO_MODEL"];
  if (env["OPENAI_API_KEY"]) {
    return { kind: env["OPENAI_BASE_URL"] ? "compatible" : "openai", modelId: modelId ?? openaiModelId };
  }
  if (env["ANTHROPIC_API_KEY"]) return { kind: "anthropic", modelId: modelId ?? anthropicModelId };
  return { kind: "recorded" };
}

/** The name the run bears: whoever sees an answer sees where it is from. */
export const agentName = (choice: ModelChoice): string =>
  choice.kind === "recorded" ? "demo (recorded model)" : `demo (${choice.modelId})`;

/**
 * The model for one question.
 *
 * Fails: `MissingPackage`.
 */
export async function demoModel(choice: ModelChoice, env: DemoEnv, question: string, pace: Pace): Promise<DemoModel> {
  switch (choice.kind) {
    case "openai":
      return { model: (await openai()).createOpenAI({ apiKey: env["OPENAI_API_KEY"] ?? "" })(choice.modelId) };
    case "compatible": {
      const { createOpenAICompatible } = await compatible();
      const settings = { name: "openai", apiKey: env["OPENAI_API_KEY"] ?? "", baseURL: env["OPENAI_BASE_URL"] ?? "" };
      return { model: createOpenAICompatible({ ...settings, includeUsage: true })(choice.modelId) };
    }
    case "anthropic": {
      const { createAnthropic } = await anthropic();
      const baseURL = env["ANTHROPIC_BASE_URL"];
      const settings = { apiKey: env["ANTHROPIC_API_KEY"] ?? "", ...(baseURL && { baseURL }) };
      return { model: createAnthropic(settings)(choice.modelId) };
    }
    case "recorded":
      return await recordedModel(question, pace);
  }
}

async function recordedModel(question: string, pace: Pace): Promise<DemoModel> {
  if (intentOf(question).kind === "webSearch") {
    const fetch = replayFetch(() => ({ lines: recordedLines("anthropic-web-search"), framing: "named" }), pace);
    const provider = (await anthropic()).createAnthropic({ apiKey: "recorded", baseURL: nowhere, fetch });
    return { model: provider("claude-sonnet-4-20250514"), webSearch: "anthropic" };
  }
  const { createOpenAICompatible } = await compatible();
  const fetch = replayFetch(chatReplay, pace);
  return {
    model: createOpenAICompatible({ name: "recorded", baseURL: nowhere, includeUsage: true, fetch })("recorded"),
  };
}

/** The provider's own web search, for a recording that used it. */
export async function anthropicWebSearch() {
  return (await anthropic()).anthropic.tools.webSearch_20250305();
}
