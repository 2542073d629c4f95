/**
 * A `fetch` that answers with a recorded stream, chunk by chunk at a model's speed. The provider package in front
 * of it is the real one and cannot tell the difference.
 */
import type { Pace } from "./pace.ts";

export interface Replay {
  readonly lines: readonly string[];
  /** How the API writes its stream: `named` names each event by its `type`, `done` ends with `[DONE]`. */
  readonly framing: "named" | "done";
}

const firstChunkMs = 400;
const chunkMs = 25;
/** Chunks come a little unevenly, the same way each time. */
const unevenMs = 15;
const unevenStep = 7;
/** What a search at the provider's takes before its result stands in the stream. */
const searchMs = 1_500;

const delayMs = (line: string, index: number): number => {
  if (index === 0) return firstChunkMs;
  if (line.includes('"web_search_tool_result"')) return searchMs;
  return chunkMs + ((index * unevenStep) % unevenMs);
};

function framed(line: string, framing: Replay["framing"]): string {
  if (framing === "done") return `data: ${line}\n\n`;
  const { type } = JSON.parse(line) as { readonly type: string };
  return `event: ${type}\ndata: ${line}\n\n`;
}

/** `choose` sees the body of each request and says what to play. */
export function replayFetch(choose: (body: unknown) => Replay, pace: Pace): typeof fetch {
  return async (_input, init) => {
    const { lines, framing } = choose(typeof init?.body === "string" ? JSON.parse(init.body) : undefined);
    const signal = init?.signal;
    const encoder = new TextEncoder();
    let next = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const line = lines[next];
        if (line === undefined) {
          if (framing === "done") controller.enqueue(encoder.encode("data: [DONE]\n\n"));
          controller.close();
          return;
        }
        // A stopped run stops the stream at once: the wait rejects, and the stream errors with the reason.
        await pace(delayMs(line, next), signal);
        next += 1;
        controller.enqueue(encoder.encode(framed(line, framing)));
      },
    });
    return new Response(body, { status: 200, headers: { "content-type": "text/event-stream" } });
  };
}
