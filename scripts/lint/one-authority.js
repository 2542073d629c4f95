/**
 * A lint rule for what types cannot hold (L12): a cast can pass anything off as the supervisor's authority, and a module
 * that is imported when the code runs is under no ban of imports.
 */
const oneAuthority = "L12: only runtime/supervisor may write to a socket; nothing else passes for its authority.";
const writes = new Set(["write", "close", "ping"]);

const named = (node) => (node.computed ? node.property.value : node.property.name);

/** `x as never`, `x as any`, `x as BroadcastAuthority`, also through `unknown`. */
function isForged(node) {
  if (node?.type === "TSNonNullExpression") return isForged(node.expression);
  if (node?.type !== "TSAsExpression" && node?.type !== "TSTypeAssertion") return false;
  const to = node.typeAnnotation;
  return (
    to.type === "TSNeverKeyword" ||
    to.type === "TSAnyKeyword" ||
    (to.type === "TSTypeReference" && to.typeName.name === "BroadcastAuthority") ||
    isForged(node.expression)
  );
}

const noForgery = {
  create(context) {
    return {
      CallExpression(node) {
        const { callee } = node;
        if (callee.type !== "MemberExpression" || !writes.has(named(callee))) return;
        if (isForged(node.arguments[0])) context.report({ node, message: oneAuthority });
      },
      ImportExpression(node) {
        const { source } = node;
        const isOpen = source.type !== "Literal";
        if (isOpen || /\/(?:transport|supervisor|(?:websocket|sse)-transport)(?:\.[jt]s)?$/.test(String(source.value)))
          context.report({
            node,
            message: isOpen ? `${oneAuthority} (An import must name its module.)` : oneAuthority,
          });
      },
    };
  },
};

export default { meta: { name: "authority" }, rules: { "no-forgery": noForgery } };
