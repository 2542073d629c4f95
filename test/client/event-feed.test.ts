import { describe, expect, it } from "vitest";
import { EventFeed } from "../../src/client/event-feed.ts";
import { epochA, epochB } from "../support/scripted-server.ts";

const at = (offset: number, epoch = epochA) => ({ epoch, offset });
const everything = (): boolean => true;

function feedOf(): { readonly feed: EventFeed<number>; readonly push: (from: number, upto: number) => void } {
  const feed = new EventFeed<number>(() => {});
  feed.startFrom(at(0));
  const push = (from: number, upto: number): void => {
    const items = Array.from({ length: upto - from + 1 }, (_, n) => ({ value: from + n, before: at(from + n - 1) }));
    feed.push(items, at(upto));
  };
  return { feed, push };
}

describe("event feed", () => {
  it("gives every reader all from when it came, each at its own pace", async () => {
    const { feed, push } = feedOf();
    const early = feed.reader(everything);
    push(1, 2);
    const late = feed.reader(everything);
    push(3, 3);
    const read = async (reader: AsyncIterator<number>, count: number) => {
      const values: number[] = [];
      for (let n = 0; n < count; n += 1) values.push((await reader.next()).value as number);
      return values;
    };
    expect(await read(early, 3)).toEqual([1, 2, 3]);
    expect(await read(late, 1)).toEqual([3]);
  });

  it("answers calls that came before the items, in their order", async () => {
    const { feed, push } = feedOf();
    const reader = feed.reader(everything);
    const waiting = [reader.next(), reader.next(), reader.next()];
    push(1, 3);
    expect((await Promise.all(waiting)).map(({ value }) => value as number)).toEqual([1, 2, 3]);
    expect(reader.unread).toBe(0);
  });

  it("counts as handed what the slowest reader is through with, and all when nobody reads", async () => {
    const { feed, push } = feedOf();
    push(1, 2);
    expect(feed.handed).toEqual(at(2));
    const slow = feed.reader(everything);
    const fast = feed.reader(everything);
    push(3, 5);
    for (let n = 0; n < 3; n += 1) await fast.next();
    expect(feed.handed).toEqual(at(2));
    await slow.next();
    expect(feed.handed).toEqual(at(2));
    await slow.next();
    expect(feed.handed).toEqual(at(3));
    await slow.return();
    expect(feed.handed).toEqual(at(4));
  });

  it("counts an item that a waiting loop was given only when it comes back for more", async () => {
    const { feed, push } = feedOf();
    const reader = feed.reader(everything);
    const first = reader.next();
    push(1, 1);
    expect((await first).value).toBe(1);
    expect(feed.handed).toEqual(at(0));
    const second = reader.next();
    expect(feed.handed).toEqual(at(1));
    push(2, 2);
    expect((await second).value).toBe(2);
    expect(feed.handed).toEqual(at(1));
  });

  it("hands over the rest of a range with its last item", async () => {
    const { feed } = feedOf();
    const reader = feed.reader(everything);
    feed.push([{ value: 3, before: at(2) }], at(9));
    expect(feed.handed).toEqual(at(2));
    await reader.next();
    void reader.next();
    expect(feed.handed).toEqual(at(9));
  });

  it("says nothing of the place while a reader is in an earlier epoch", async () => {
    const { feed, push } = feedOf();
    const reader = feed.reader(everything);
    push(1, 1);
    feed.push([{ value: 10, before: at(3, epochB) }], at(4, epochB));
    expect(feed.handed).toBeUndefined();
    await reader.next();
    expect(feed.handed).toBeUndefined();
    await reader.next();
    expect(feed.handed).toEqual(at(3, epochB));
  });

  it("ends at once when it is closed, and does not count as handed what was not taken", async () => {
    const { feed, push } = feedOf();
    let moves = 0;
    const watched = new EventFeed<number>(() => {
      moves += 1;
    });
    const waiting = watched.reader(everything).next();
    watched.end();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(moves).toBe(0);
    const reader = feed.reader(everything);
    push(1, 3);
    feed.end();
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  it("ends with an error after what is still to be read", async () => {
    const { feed, push } = feedOf();
    const reader = feed.reader(everything);
    push(1, 1);
    feed.end(new Error("stopped for good"));
    expect((await reader.next()).value).toBe(1);
    await expect(reader.next()).rejects.toThrow("stopped for good");
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  it("holds no more than what is unread", async () => {
    const { feed, push } = feedOf();
    const reader = feed.reader(everything);
    for (let n = 1; n <= 1_000; n += 1) {
      push(n, n);
      expect((await reader.next()).value).toBe(n);
    }
    expect(feed.unread).toBe(0);
  });
});
