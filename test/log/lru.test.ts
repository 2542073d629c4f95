import { describe, expect, it } from "vitest";
import { Lru } from "../../src/log/lru.ts";

const filled = (names: string) => {
  const lru = new Lru<string, number>(4);
  for (const name of names) lru.set(name, name.charCodeAt(0));
  return lru;
};
const kept = (lru: Lru<string, number>, names: string) =>
  [...names].filter((name) => lru.get(name) !== undefined).join("");

describe("Lru", () => {
  it("gives what was set, until it is deleted", () => {
    const lru = filled("ab");
    expect(lru.get("a")).toBe(97);
    expect(lru.get("c")).toBeUndefined();
    lru.delete("a");
    expect(lru.get("a")).toBeUndefined();
    expect(lru.get("b")).toBe(98);
  });

  it("holds more than its bound until it is trimmed, and then exactly its bound", () => {
    const lru = filled("abcdef");
    expect(lru.get("a")).toBe(97);
    const full = filled("abcdef");
    full.trim();
    expect(kept(full, "abcdef")).toBe("cdef");
    const within = filled("abcd");
    within.trim();
    expect(kept(within, "abcd")).toBe("abcd");
  });

  it("lets go first what was asked for longest ago", () => {
    const lru = filled("abcd");
    lru.get("a");
    lru.get("b");
    lru.set("e", 1);
    lru.set("f", 1);
    lru.trim();
    expect(kept(lru, "abcdef")).toBe("abef");
  });

  it("keeps no order while it is at most half full: nothing leaves from there", () => {
    const lru = filled("ab");
    lru.get("a");
    for (const name of "cdef") lru.set(name, 1);
    lru.trim();
    expect(kept(lru, "abcdef")).toBe("cdef");
  });

  it("takes no note of what it does not have", () => {
    const lru = filled("abcd");
    expect(lru.get("x")).toBeUndefined();
    lru.set("e", 1);
    lru.trim();
    expect(kept(lru, "abcdex")).toBe("bcde");
  });
});
