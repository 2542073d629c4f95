/** The demo agent's tools. They truly run, with a real model as with a recorded one. */
import { jsonSchema, tool } from "ai";
import { calculate } from "./calculator.ts";
import type { DocsSearch } from "./docs-search.ts";
import type { Pace } from "./pace.ts";
import { timeIn } from "./world-clock.ts";

export interface DemoToolTerms {
  readonly docs: DocsSearch;
  /** These tools take no time; in the replay each lasts long enough to be seen. */
  readonly pace: Pace;
}

const calculatorMs = 900;
const clockMs = 600;
const searchMs = 1_300;

/** One required text argument. */
function textInput<Name extends string>(name: Name, description: string) {
  return jsonSchema<Record<Name, string>>(
    {
      type: "object",
      properties: { [name]: { type: "string", description } },
      required: [name],
      additionalProperties: false,
    },
    {
      validate: (value) =>
        typeof Reflect.get(Object(value), name) === "string"
          ? { success: true, value: value as Record<Name, string> }
          : { success: false, error: new Error(`"${name}" must be a text`) },
    },
  );
}

/** The tools. Shape: each answers with a small object and throws a message that can be shown. */
export function demoTools({ docs, pace }: DemoToolTerms) {
  return {
    calculator: tool({
      description: "Calculates an arithmetic expression: + - * / ^ ( ), % as percentage or remainder, sqrt, pi.",
      inputSchema: textInput("expression", "for example 15% of 240"),
      execute: async ({ expression }, { abortSignal }) => {
        await pace(calculatorMs, abortSignal);
        return { expression, value: Number(calculate(expression).toPrecision(15)) };
      },
    }),
    clock: tool({
      description: "Tells date and time in a time zone or a city.",
      inputSchema: textInput("zone", "an IANA zone or a city, for example Asia/Tokyo"),
      execute: async ({ zone }, { abortSignal }) => {
        await pace(clockMs, abortSignal);
        return timeIn(zone, new Date());
      },
    }),
    searchDocs: tool({
      description: "Searches the documentation of Runcast.",
      inputSchema: textInput("query", "what to look for, in words"),
      execute: async ({ query }, { abortSignal }) => {
        await pace(searchMs, abortSignal);
        return { hits: await docs.search(query) };
      },
    }),
  };
}
