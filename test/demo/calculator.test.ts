import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { calculate, CalculatorError } from "../../src/demo/calculator.ts";

type Tree = number | { readonly sign: string; readonly left: Tree; readonly right: Tree } | { readonly minus: Tree };

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.integer({ min: 0, max: 99 }),
    fc.record({ minus: tie("tree") }),
    fc.record({ sign: fc.constantFrom("+", "-", "*", "/", "%", "^"), left: tie("tree"), right: tie("tree") }),
  ),
}));

/** The oracle: what the tree is worth, without any text. */
function worth(node: Tree): number {
  if (typeof node === "number") return node;
  if ("minus" in node) return -worth(node.minus);
  const [left, right] = [worth(node.left), worth(node.right)];
  switch (node.sign) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return right === 0 ? Number.NaN : left / right;
    case "%":
      return left % right;
    default:
      return left ** right;
  }
}

const levels: Readonly<Record<string, number>> = { "+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 4 };
const levelOf = (node: Tree): number => (typeof node === "number" ? 5 : "minus" in node ? 3 : (levels[node.sign] ?? 0));

/** The tree with as few parentheses as its signs allow: precedence must put them back. */
function written(node: Tree): string {
  if (typeof node === "number") return String(node);
  const wrap = (child: Tree, least: number) => (levelOf(child) >= least ? written(child) : `(${written(child)})`);
  if ("minus" in node) return `-${wrap(node.minus, 3)}`;
  const level = levelOf(node);
  const isPower = node.sign === "^";
  // "%" before a sign is a percentage, so its right side must not begin with one.
  const rightLevel = isPower ? 3 : node.sign === "%" ? 4 : level + 1;
  return `${wrap(node.left, isPower ? 5 : level)} ${node.sign} ${wrap(node.right, rightLevel)}`;
}

function calculated(expression: string): number {
  try {
    return calculate(expression);
  } catch (error) {
    if (error instanceof CalculatorError) return Number.NaN;
    throw error;
  }
}

describe("calculator", () => {
  it("agrees with the tree that an expression was written from", () => {
    fc.assert(
      fc.property(tree, (node) => {
        const expected = worth(node);
        const text = written(node);
        fc.pre(text.length <= 300);
        expect(calculated(text)).toBe(Number.isFinite(expected) ? expected : Number.NaN);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ["15% of 2,480", 372],
    ["1,000,000 / 8", 125_000],
    ["-2^2", -4],
    ["2^3^2", 512],
    ["2^-1", 0.5],
    ["17 % 5", 2],
    ["50% + 1", 1.5],
    ["200 * 10%", 20],
    ["6 × 7", 42],
    ["9 ÷ 3 − 1", 2],
    ["sqrt(16) + abs(-2)", 6],
    ["2 ** 10", 1024],
    ["2 * pi", 2 * Math.PI],
    [".5 + 1e3", 1000.5],
  ])("reads %s", (expression, value) => {
    expect(calculate(expression)).toBe(value);
  });

  it.each(["", "1 +", "(1", "1)", "1 / 0", "2 2", "process.exit()", "constructor", "toString(1)", "1;2", "9^9^9^9"])(
    "refuses %j with a message that can be shown",
    (expression) => {
      expect(() => calculate(expression)).toThrow(CalculatorError);
    },
  );

  it("refuses what would exhaust the stack or the time", () => {
    expect(() => calculate("(".repeat(200))).toThrow(/nested deeper/);
    expect(() => calculate("1+".repeat(10_000))).toThrow(/longer than/);
  });

  it("throws nothing but its own error, whatever text it is given", () => {
    const alphabet = fc.constantFrom(..."0123456789.,+-*/%^()e of pi sqrt{}\n\u0000é");
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 60 }), (text) => {
        expect(() => calculated(text)).not.toThrow();
      }),
      { numRuns: 1_000 },
    );
  });
});
