/**
 * Arithmetic for the demo's `calculator` tool: a small recursive-descent parser. Nothing is evaluated but what this
 * grammar says, so a model (or a stranger) can hand it any text.
 *
 *   sum = product (("+" | "-") product)*        product = sign (("*" | "/" | "%" | "of") sign)*
 *   sign = ("-" | "+") sign | power             power = percent ("^" sign)?        percent = value "%"?
 */

/** The text is no arithmetic, or has no number as its answer. The message can be shown. */
export class CalculatorError extends Error {
  override readonly name = "CalculatorError";
}

const maxChars = 300;
const maxDepth = 50;
const percent = 100;

const functions: Readonly<Record<string, (value: number) => number>> = {
  sqrt: Math.sqrt,
  abs: Math.abs,
  round: Math.round,
  floor: Math.floor,
  ceil: Math.ceil,
  ln: Math.log,
  log: Math.log10,
};
const constants: Readonly<Record<string, number>> = { pi: Math.PI, e: Math.E };

const tokenPattern = /\s*(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+)|(\*\*|[-+*/%^()])|([a-z]+))/iy;

/** Signs that people type, as the signs of the grammar; thousands separators go. */
function plain(expression: string): string {
  return expression
    .replaceAll(/[×·]/g, "*")
    .replaceAll("÷", "/")
    .replaceAll("−", "-")
    .replaceAll(/(?<=\d),(?=\d{3}(?!\d))/g, "");
}

function tokens(expression: string): string[] {
  const text = plain(expression).trimEnd();
  if (text.length > maxChars) throw new CalculatorError(`is longer than ${maxChars} characters`);
  const found: string[] = [];
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < text.length) {
    const at = tokenPattern.lastIndex;
    const match = tokenPattern.exec(text);
    if (match === null) throw new CalculatorError(`cannot read "${text.slice(at, at + 10)}"`);
    const token = match[1] ?? match[2] ?? match[3] ?? "";
    found.push(token === "**" ? "^" : token.toLowerCase());
  }
  return found;
}

class Parser {
  private readonly tokens: readonly string[];
  private at = 0;
  private depth = 0;

  constructor(found: readonly string[]) {
    this.tokens = found;
  }

  whole(): number {
    const value = this.sum();
    const rest = this.tokens[this.at];
    if (rest !== undefined) throw new CalculatorError(`did not expect "${rest}"`);
    return value;
  }

  private take(...wanted: readonly string[]): string | undefined {
    const token = this.tokens[this.at];
    if (token === undefined || !wanted.includes(token)) return undefined;
    this.at += 1;
    return token;
  }

  private sum(): number {
    let value = this.product();
    for (let sign = this.take("+", "-"); sign !== undefined; sign = this.take("+", "-")) {
      const next = this.product();
      value = sign === "+" ? value + next : value - next;
    }
    return value;
  }

  private product(): number {
    let value = this.sign();
    for (let sign = this.take("*", "/", "%", "of"); sign !== undefined; sign = this.take("*", "/", "%", "of")) {
      const next = this.sign();
      if (sign === "/") {
        if (next === 0) throw new CalculatorError("divides by zero");
        value /= next;
      } else value = sign === "%" ? value % next : value * next;
    }
    return value;
  }

  private sign(): number {
    this.depth += 1;
    if (this.depth > maxDepth) throw new CalculatorError(`is nested deeper than ${maxDepth} levels`);
    const sign = this.take("-", "+");
    const value = sign === undefined ? this.power() : this.sign() * (sign === "-" ? -1 : 1);
    this.depth -= 1;
    return value;
  }

  /** Binds to the right, and tighter than the sign before it: -2^2 is -4. */
  private power(): number {
    const base = this.percent();
    return this.take("^") === undefined ? base : base ** this.sign();
  }

  /** "%" with a value behind it is the remainder, and a percentage otherwise. */
  private percent(): number {
    const value = this.value();
    const next = this.tokens[this.at + 1];
    const isRemainder = next !== undefined && /^[\d.(a-z]/.test(next) && next !== "of";
    return isRemainder || this.take("%") === undefined ? value : value / percent;
  }

  private value(): number {
    const token = this.tokens[this.at];
    if (token === undefined) throw new CalculatorError("ends too early");
    this.at += 1;
    if (token === "(") return this.closed();
    if (/^[\d.]/.test(token)) return Number(token);
    const constant = Object.hasOwn(constants, token) ? constants[token] : undefined;
    if (constant !== undefined) return constant;
    const apply = Object.hasOwn(functions, token) ? functions[token] : undefined;
    if (apply !== undefined && this.take("(") !== undefined) return apply(this.closed());
    throw new CalculatorError(`did not expect "${token}"`);
  }

  private closed(): number {
    const value = this.sum();
    if (this.take(")") === undefined) throw new CalculatorError('misses a ")"');
    return value;
  }
}

/**
 * The value of an arithmetic expression.
 *
 * Fails: `CalculatorError` for everything that is none, and when the answer is no finite number.
 */
export function calculate(expression: string): number {
  const value = new Parser(tokens(expression)).whole();
  if (!Number.isFinite(value)) throw new CalculatorError("has no finite answer");
  return value;
}
