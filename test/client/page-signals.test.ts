import { describe, expect, it } from "vitest";
import { watchPage } from "../../src/client/page-signals.ts";

class Page extends EventTarget {
  visibilityState: DocumentVisibilityState = "visible";
}
class Scope extends EventTarget {
  readonly document = new Page();
}

describe("page signals", () => {
  it("are what the browser says of the network and of who looks, until nobody wants them", () => {
    const scope = new Scope();
    const heard: string[] = [];
    const unwatch = watchPage(
      {
        online: () => heard.push("online"),
        offline: () => heard.push("offline"),
        visible: () => heard.push("visible"),
        hidden: () => heard.push("hidden"),
      },
      scope as never,
    );
    const say = (): void => {
      scope.dispatchEvent(new Event("offline"));
      scope.dispatchEvent(new Event("online"));
      for (const state of ["hidden", "visible"] as const) {
        scope.document.visibilityState = state;
        scope.document.dispatchEvent(new Event("visibilitychange"));
      }
    };
    say();
    unwatch();
    say();
    expect(heard).toEqual(["offline", "online", "hidden", "visible"]);
  });

  it("are silent where there is no page", () => {
    expect(() => watchPage({ online() {}, offline() {}, visible() {}, hidden() {} }, {})()).not.toThrow();
  });
});
