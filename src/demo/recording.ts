/**
 * A recorded stream of chat-completion chunks that can be said again with other words: every chunk that comes out
 * is a recorded one (ids, fields, split, finish reason and usage), with its payload exchanged.
 */
import { readFileSync } from "node:fs";

export type RecordingName = "anthropic-web-search" | "deepseek-tool-call" | "openai-error" | "openai-text";

export interface PlannedCall {
  readonly toolName: string;
  readonly args: Readonly<Record<string, unknown>>;
}

interface ToolCallDelta {
  index: number;
  id?: string;
  type?: string;
  function: { name?: string; arguments?: string };
}

interface ChatChunk {
  readonly choices: readonly {
    readonly delta: { content?: string | null; reasoning_content?: string | null; tool_calls?: ToolCallDelta[] };
    readonly finish_reason?: string | null;
  }[];
}

const recordings = new Map<RecordingName, readonly string[]>();

/** The chunks of a recording, one JSON text each. */
export function recordedLines(name: RecordingName): readonly string[] {
  const known = recordings.get(name);
  if (known !== undefined) return known;
  const text = readFileSync(new URL(`./recordings/${name}.ndjson`, import.meta.url), "utf8");
  const lines = text.split("\n").filter((line) => line !== "");
  recordings.set(name, lines);
  return lines;
}

/** Pieces of about a token's length; together they are the text. */
export function piecesOf(text: string): string[] {
  return text.match(/\s*[^\s{}[\]":,]{1,9}|[{}[\]":,]{1,2}\s?|\s+/gu) ?? [];
}

const chunk = (line: string) => JSON.parse(line) as ChatChunk;
const deltaOf = (line: string) => chunk(line).choices[0]?.delta;

/** Each piece in the shape of a recorded chunk, which take turns. */
function inShape(shapes: readonly string[], pieces: readonly string[], set: (delta: ChatDelta, piece: string) => void) {
  return pieces.map((piece, index) => {
    const shaped = chunk(shapes[index % shapes.length] ?? "");
    const delta = shaped.choices[0]?.delta;
    if (delta !== undefined) set(delta, piece);
    return JSON.stringify(shaped);
  });
}

type ChatDelta = ChatChunk["choices"][number]["delta"];

export class ChatRecording {
  private readonly head: readonly string[];
  private readonly tail: readonly string[];
  private readonly reasoningShapes: readonly string[];
  private readonly contentShapes: readonly string[];
  private readonly callShapes: readonly string[];
  private readonly argsShapes: readonly string[];

  constructor(name: RecordingName) {
    const lines = recordedLines(name);
    const end = lines.findIndex((line) => typeof chunk(line).choices[0]?.finish_reason === "string");
    this.head = lines.slice(0, 1);
    this.tail = lines.slice(end);
    const body = lines.slice(1, end);
    this.reasoningShapes = body.filter((line) => Boolean(deltaOf(line)?.reasoning_content));
    this.contentShapes = body.filter((line) => Boolean(deltaOf(line)?.content));
    this.callShapes = body.filter((line) => deltaOf(line)?.tool_calls?.[0]?.id !== undefined);
    this.argsShapes = body.filter((line) => {
      const call = deltaOf(line)?.tool_calls?.[0];
      return call !== undefined && call.id === undefined;
    });
  }

  /** The recorded stream as if the model had thought `reasoning` and asked for `calls`, all at once. */
  withCalls(reasoning: string, calls: readonly PlannedCall[]): string[] {
    return [
      ...this.head,
      ...inShape(this.reasoningShapes, piecesOf(reasoning), (delta, piece) => {
        delta.reasoning_content = piece;
      }),
      ...calls.flatMap((call, index) => this.call(call, index)),
      ...this.tail,
    ];
  }

  /** The recorded stream as if the model had answered `text`. */
  withText(text: string): string[] {
    const said = inShape(this.contentShapes, piecesOf(text), (delta, piece) => {
      delta.content = piece;
    });
    return [...this.head, ...said, ...this.tail];
  }

  private call({ toolName, args }: PlannedCall, index: number): string[] {
    const opening = inShape(this.callShapes, [toolName], (delta) => {
      for (const call of delta.tool_calls ?? []) {
        call.index = index;
        // The recorded id, made unique among the calls of this answer.
        call.id = `${call.id ?? "call"}_${index + 1}`;
        call.function.name = toolName;
      }
    });
    const rest = inShape(this.argsShapes, piecesOf(JSON.stringify(args)), (delta, piece) => {
      for (const call of delta.tool_calls ?? []) {
        call.index = index;
        call.function.arguments = piece;
      }
    });
    return [...opening, ...rest];
  }
}
