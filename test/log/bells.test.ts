import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { asEpoch } from "../../protocol/ids.ts";
import { bells } from "../../src/log/bells.ts";
import type { Bell } from "../../src/log/event-log.ts";
import { alice } from "../../src/testing/event-log/sample.ts";

const bell = (head: number): Bell => ({ stream: alice, epoch: asEpoch("AAAAAAAAAAAAAAAA"), head });

describe("bells", () => {
  it("ring for every listener, each once, until it leaves", () => {
    const heard: string[] = [];
    const { ring, watch } = bells();
    const listener = ({ head }: Bell) => void heard.push(`x${head}`);
    const leave = watch(listener);
    watch(listener);
    ring(bell(1));
    leave();
    ring(bell(2));
    expect(heard).toEqual(["x1", "x1", "x2"]);
  });

  it("ring on when a listener throws", () => {
    const heard: number[] = [];
    const bugs: unknown[] = [];
    const { ring, watch } = bells((error) => void bugs.push(error));
    const bug = new Error("a bug");
    watch(() => {
      throw bug;
    });
    watch(({ head }) => void heard.push(head));
    ring(bell(3));
    expect(heard).toEqual([3]);
    expect(bugs).toEqual([bug]);
  });

  it("warn of what a listener threw when nobody asked to hear of it", async () => {
    const { ring, watch } = bells();
    const warned = once(process, "warning") as Promise<[Error]>;
    watch(() => {
      throw new Error("nobody listens");
    });
    ring(bell(1));
    expect((await warned)[0].message).toBe("nobody listens");
  });

  it("ring for nobody after the end", () => {
    const heard: number[] = [];
    const { ring, watch, clear } = bells();
    watch(({ head }) => void heard.push(head));
    clear();
    ring(bell(1));
    expect(heard).toEqual([]);
  });
});
