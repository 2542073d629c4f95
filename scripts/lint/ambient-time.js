/**
 * A lint rule: no code reads the wall clock by itself, because then no simulated world can run it (L16). Dates
 * made from a known instant, `new Date(atMs)`, are pure and stay allowed.
 */
const message = "Read time from the Clock port (src/platform/clock.ts): a simulated world must be able to run this.";

const isDate = (node) => node.type === "Identifier" && node.name === "Date";

const ambientTime = {
  create(context) {
    return {
      NewExpression(node) {
        if (isDate(node.callee) && node.arguments.length === 0) context.report({ node, message });
      },
      CallExpression(node) {
        if (isDate(node.callee)) context.report({ node, message });
      },
      MemberExpression(node) {
        if (isDate(node.object) && (node.computed || node.property.name === "now")) context.report({ node, message });
      },
    };
  },
};

export default { meta: { name: "runcast" }, rules: { "ambient-time": ambientTime } };
