/** An ignorer for Stryker: the `types` of a machine's `setup` are read by the compiler only, and no test can see them. */

interface Path {
  readonly node: { readonly type: string; readonly key?: unknown; readonly properties?: readonly unknown[] };
  readonly parentPath: Path | null;
}

function isNamed(node: unknown, name: string): boolean {
  return typeof node === "object" && node !== null && Reflect.get(node, "name") === name;
}

const isTypes = (property: unknown): boolean =>
  typeof property === "object" && property !== null && isNamed(Reflect.get(property, "key"), "types");

function isInput({ node, parentPath }: Path): boolean {
  return node.type === "ObjectExpression" && isNamed(parentPath && Reflect.get(parentPath.node, "callee"), "setup");
}

const ignorer = {
  shouldIgnore(path: Path): string | undefined {
    const reason = "the types of a machine";
    const isTypesOnly = isInput(path) && path.node.properties?.every(isTypes) === true;
    if (isTypesOnly) return reason;
    return isTypes(path.node) && path.parentPath !== null && isInput(path.parentPath) ? reason : undefined;
  },
};

export const strykerPlugins = [{ kind: "Ignore", name: "type-words", value: ignorer }];
