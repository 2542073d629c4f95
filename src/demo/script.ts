/**
 * What the recorded model says to a request: recorded chunks, with words that fit the question and, in the second
 * step, the results that the tools really returned. It says of itself that it is recorded.
 */
import { intentOf } from "./intent.ts";
import type { PlannedCall } from "./recording.ts";
import { ChatRecording, recordedLines } from "./recording.ts";
import type { Replay } from "./replay-fetch.ts";

interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly tool_call_id?: string;
  readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly name: string } }[];
}

const thinkingModel = new ChatRecording("deepseek-tool-call");
const answeringModel = new ChatRecording("openai-text");

const honesty =
  "_I am a recorded model: my words are replayed through the real AI SDK, while the tools really ran. Set `OPENAI_API_KEY` or `ANTHROPIC_API_KEY` to talk to a living one._";

const hello = `Hello! I am Runcast's demo agent. Ask me to calculate something, for the time in a city, or about Runcast, and watch every step of the run arrive; reload the page in the middle, or press Stop, and see what happens.\n\n${honesty}`;

/** A request's text, which is a string or a list of parts. */
function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part: unknown) => (typeof part === "object" && part !== null ? String(Reflect.get(part, "text") ?? "") : ""))
    .join("");
}

function reasonFor({ toolName, args }: PlannedCall): string {
  if (toolName === "calculator")
    return `There is arithmetic in it, ${String(args["expression"])}, and I should not do that in my head: the calculator can.`;
  if (toolName === "clock") return `I cannot know the time, so I look at the clock for ${String(args["zone"])}.`;
  return "What I know about Runcast is in its docs, so I search them.";
}

function reasoning(question: string, calls: readonly PlannedCall[]): string {
  const together =
    calls.length > 1 ? ` These ${calls.length} calls do not need each other, so I make them at once.` : "";
  return `The user asks: "${question.trim()}". ${calls.map(reasonFor).join(" ")}${together}`;
}

/** One tool result as a sentence of the answer. */
function sentence(toolName: string, result: unknown): string {
  const read = (name: string): unknown =>
    typeof result === "object" && result !== null ? Reflect.get(result, name) : undefined;
  if (toolName === "calculator" && read("value") !== undefined)
    return `**${String(read("expression"))} = ${String(read("value"))}**`;
  if (toolName === "clock" && read("time") !== undefined)
    return `In ${String(read("zone"))} it is **${String(read("time"))}** on ${String(read("date"))} (${String(read("offset"))}).`;
  const hits = read("hits");
  if (toolName === "searchDocs" && Array.isArray(hits)) {
    if (hits.length === 0) return "The docs have nothing on that; try other words.";
    return hits
      .map((hit: unknown) => {
        const of = (name: string) => String(Reflect.get(Object(hit), name));
        return `**${of("title")}** (\`${of("path")}\`): ${of("excerpt")}`;
      })
      .join("\n\n");
  }
  return `The tool \`${toolName}\` could not help: ${typeof result === "string" ? result : JSON.stringify(result)}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A tool that failed answers with plain words.
    return text;
  }
}

/** The answer, made of the tool messages behind the last question. */
function answer(turn: readonly ChatMessage[]): string {
  const names = new Map(
    turn.flatMap(({ tool_calls: calls }) => calls ?? []).map((call) => [call.id, call.function.name]),
  );
  const sentences = turn
    .filter(({ role }) => role === "tool")
    .map(({ content, tool_call_id: id }) => sentence(names.get(id ?? "") ?? "tool", parsed(textOf(content))));
  return `${sentences.join("\n\n")}\n\n${honesty}`;
}

/** How much of an answer is heard before the model fails. */
const chunksBeforeError = 25;

/** An answer that breaks off with the recorded error. */
function brokenOff(text: string): string[] {
  const said = answeringModel.withText(text).slice(0, chunksBeforeError);
  return [...said, ...recordedLines("openai-error").filter((line) => line.startsWith('{"type":"error"'))];
}

function linesFor(question: string, turn: readonly ChatMessage[]): string[] {
  const intent = intentOf(question);
  if (intent.kind === "greeting" || intent.kind === "webSearch") return answeringModel.withText(hello);
  if (turn.some(({ role }) => role === "tool")) {
    return intent.kind === "error" ? brokenOff(answer(turn)) : answeringModel.withText(answer(turn));
  }
  const calls = intent.kind === "tools" ? intent.calls : [{ toolName: "searchDocs", args: { query: question } }];
  return thinkingModel.withCalls(reasoning(question, calls), calls);
}

/** What to play for the body of a chat-completions request. */
export function chatReplay(body: unknown): Replay {
  const messages = Reflect.get(Object(body), "messages") as readonly ChatMessage[];
  const asked = messages.findLastIndex(({ role }) => role === "user");
  return { lines: linesFor(textOf(messages[asked]?.content), messages.slice(asked + 1)), framing: "done" };
}
