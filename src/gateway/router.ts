/** Finds the route of a request: by method and by path segments, never by pattern, so no path is ambiguous. */
import type { Handler, Route } from "./route.ts";

export type Found =
  | { readonly kind: "route"; readonly route: Route; readonly answer: Handler; readonly params: readonly string[] }
  | { readonly kind: "wrong_method"; readonly allow: string }
  | { readonly kind: "none" };

interface Prepared {
  readonly route: Route;
  readonly segments: readonly string[];
}

const segmentsOf = (path: string): string[] => path.split("/").slice(1);

export class Router {
  private readonly byCount = new Map<number, Prepared[]>();

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const segments = segmentsOf(route.path);
      const same = this.byCount.get(segments.length) ?? [];
      this.byCount.set(segments.length, [...same, { route, segments }]);
    }
  }

  find(method: string, path: string): Found {
    const given = segmentsOf(path);
    const allow = new Set<string>();
    for (const { route, segments } of this.byCount.get(given.length) ?? []) {
      const params = paramsOf(segments, given);
      if (params === undefined) continue;
      if (route.method === method) return { kind: "route", route, answer: route.answer, params };
      allow.add(route.method);
    }
    return allow.size === 0 ? { kind: "none" } : { kind: "wrong_method", allow: [...allow].sort().join(", ") };
  }
}

/** The values of the `:segments`, or undefined when the path is another or not decodable. */
function paramsOf(segments: readonly string[], given: readonly string[]): readonly string[] | undefined {
  const params: string[] = [];
  for (const [index, segment] of segments.entries()) {
    const text = given[index] ?? "";
    if (!segment.startsWith(":")) {
      if (segment !== text) return undefined;
      continue;
    }
    if (text === "") return undefined;
    try {
      params.push(decodeURIComponent(text));
    } catch {
      return undefined;
    }
  }
  return params;
}
