/** What the recorded model makes of a question: simple rules stand in for a mind, and choose real tools. */
import { calculate, CalculatorError } from "./calculator.ts";
import type { PlannedCall } from "./recording.ts";
import { zonesIn } from "./world-clock.ts";

export type Intent =
  | { readonly kind: "greeting" }
  | { readonly kind: "webSearch" }
  | { readonly kind: "error" }
  | { readonly kind: "tools"; readonly calls: readonly PlannedCall[] };

const maxCalls = 4;

const greeting = /^\s*(?:hi|hello|hey|good (?:morning|evening|day)|thanks|thank you)\b[\s!.,]*$/i;
const webSearch = /\b(?:web ?search|search the (?:web|internet)|(?:tech )?news)\b/i;
const modelError =
  /\b(?:show|simulate|cause|trigger|make|have|replay)\b.{0,40}\b(?:error|fail\w*)\b|^\s*(?:error|fail)\W*$/i;
const aboutDocs = /\b(?:docs?|documentation|runcast)\b/i;
const aboutTime = /\b(?:time|clock|o'clock|hour|date)\b/i;
const aboutTimeHere = /\b(?:what time|the time|current time|the date)\b/i;

const wordSigns: readonly (readonly [RegExp, string])[] = [
  [/(?<=\d)\s*(?:times|multiplied by)\s*(?=[\d(])/gi, " * "],
  [/(?<=\d)\s*plus\s*(?=[\d(])/gi, " + "],
  [/(?<=\d)\s*minus\s*(?=[\d(])/gi, " - "],
  [/(?<=\d)\s*divided by\s*(?=[\d(])/gi, " / "],
  [/(?<=\d)\s*(?:percent|per cent)\b/gi, "%"],
];
/** From a digit or a parenthesis on, as long as it looks like arithmetic. */
const arithmetic =
  /(?:\b(?:sqrt|abs|round|ln|log)\s*)?[\d(](?:[\d\s.,()+\-*/^%×÷·−]|\bof\b|\b(?:sqrt|abs|round|ln|log|pi)\b)*/gi;
const isoDate = /\d{4}-\d{2}-\d{2}/g;

function isArithmetic(text: string): boolean {
  if (!/[-+*/^%×÷·−]|\bof\b|\(/i.test(text) || !/\d/.test(text)) return false;
  try {
    calculate(text);
    return true;
  } catch (error) {
    // Division by zero is arithmetic too: the tool will say what is wrong with it.
    return error instanceof CalculatorError && error.message.startsWith("divides");
  }
}

/** The arithmetic in a text, each piece once. */
export function expressionsIn(question: string): string[] {
  let text = question.replaceAll(isoDate, " ");
  for (const [words, sign] of wordSigns) text = text.replaceAll(words, sign);
  const found = (text.match(arithmetic) ?? []).map((piece) => piece.replace(/(?:[\s.,]|\bof\b)+$/i, "").trim());
  return [...new Set(found.filter(isArithmetic))];
}

/** What to do about a question. A question with nothing to calculate and no time in it goes to the docs. */
export function intentOf(question: string): Intent {
  if (greeting.test(question)) return { kind: "greeting" };
  if (webSearch.test(question)) return { kind: "webSearch" };
  if (modelError.test(question)) return { kind: "error" };
  const calls: PlannedCall[] = expressionsIn(question).map((expression) => ({
    toolName: "calculator",
    args: { expression },
  }));
  if (aboutTime.test(question)) {
    const zones = zonesIn(question).map(({ zone }) => zone);
    if (zones.length === 0 && aboutTimeHere.test(question)) zones.push("UTC");
    calls.push(...zones.map((zone) => ({ toolName: "clock", args: { zone } })));
  }
  if (calls.length === 0 || aboutDocs.test(question)) calls.push({ toolName: "searchDocs", args: { query: question } });
  return { kind: "tools", calls: calls.slice(0, maxCalls) };
}
