/**
 * The bell between the nodes: one connection of its own that listens on the channels of the streams that are followed here.
 * What it hears is a hint, ids only; the log is the truth. After a break it listens again and rings every followed stream
 * once with where it stands; while it lives, a question every few seconds rings what was missed and proves that it lives.
 */
import type { Offset, StreamKey } from "../../../protocol/ids.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Bell } from "../event-log.ts";
import { following } from "../following.ts";
import type { Connection } from "./connection.ts";
import { channelOf, shardOf } from "./shards.ts";

export interface BellLineTerms {
  readonly schema: string;
  /** This node's name in its own notifications. */
  readonly node: string;
  readonly dial: () => Promise<Connection>;
  readonly ring: (bell: Bell) => void;
  readonly clock: Clock;
  readonly pollMs: number;
}

export interface BellLine {
  follow(stream: StreamKey): Promise<() => void>;
  /** This process has appended: others' bells for less say nothing new. */
  advanced(stream: StreamKey, head: Offset): void;
  close(): void;
}

interface Followed {
  count: number;
  /** The newest that was rung. */
  head: Offset;
}

interface Line {
  readonly connection: Connection;
  readonly listening: Map<number, Promise<unknown>>;
}

const firstRetryMs = 50;
const maxRetryMs = 2_000;
const maxPolled = 1_000;

export function bellLine({ schema, node, dial, ring, clock, pollMs }: BellLineTerms): BellLine {
  const followed = new Map<StreamKey, Followed>();
  /** How many followed streams ring on a channel. */
  const shards = new Map<number, number>();
  let opening: Promise<Line> | undefined;
  let line: Line | undefined;
  let cancel: (() => void) | undefined;
  let closed = false;
  let hasBroken = false;

  function heard(at: Line, payload: string): void {
    const [from, head, ...rest] = payload.split(" ");
    const stream = rest.join(" ") as StreamKey;
    if (from !== node) advance(at, stream, Number(head));
  }

  function advance({ connection }: Line, stream: StreamKey, head: Offset): void {
    const known = followed.get(stream);
    if (known === undefined || head <= known.head) return;
    known.head = head;
    ring({ stream, epoch: connection.epoch, head });
  }

  function open(): Promise<Line> {
    opening ??= dial().then(
      (connection) => {
        const made: Line = { connection, listening: new Map() };
        if (closed) {
          connection.end();
          throw new Error("the log is closed");
        }
        line = made;
        connection.client.on("notification", ({ payload = "" }) => heard(made, payload));
        connection.onEnd(() => broken(made));
        cancel = clock.after(pollMs, () => void poll(made));
        return made;
      },
      (cause: unknown) => {
        opening = undefined;
        throw cause;
      },
    );
    return opening;
  }

  function broken(was: Line): void {
    if (line !== was) return;
    line = undefined;
    opening = undefined;
    cancel?.();
    was.connection.end("cut");
    hasBroken = true;
    reopen(firstRetryMs);
  }

  /** Nobody asks for it: whoever follows believes that it hears. */
  function reopen(waitMs: number): void {
    if (closed || followed.size === 0) return;
    cancel = clock.after(waitMs, () => {
      restore().catch(() => reopen(Math.min(waitMs * 2, maxRetryMs)));
    });
  }

  async function restore(): Promise<void> {
    const made = await open();
    await Promise.all([...shards.keys()].map((shard) => listen(made, shard)));
    if (!hasBroken) return;
    hasBroken = false;
    await look(made, true);
  }

  /** Where the followed streams stand: rings those that have grown, or all of them. */
  async function look(at: Line, isAll: boolean): Promise<void> {
    const streams = [...followed.keys()];
    for (let from = 0; from < Math.max(streams.length, 1); from += maxPolled) {
      const some = streams.slice(from, from + maxPolled);
      const rows = await at.connection.query<{ stream: StreamKey; head: number }>({
        ...{
          name: `${schema}.poll`,
          text: `SELECT stream, head FROM ${schema}.streams WHERE stream = ANY($1::text[])`,
        },
        values: [some],
      });
      const heads = new Map(rows.map(({ stream, head }) => [stream, head]));
      for (const stream of some) {
        const known = followed.get(stream);
        const head = heads.get(stream) ?? 0;
        // After a break the history may be another: its head may be less.
        if (known !== undefined && isAll) known.head = -1;
        if (known !== undefined) advance(at, stream, head);
      }
    }
  }

  async function poll(at: Line): Promise<void> {
    try {
      await look(at, false);
      if (line === at) cancel = clock.after(pollMs, () => void poll(at));
    } catch {
      broken(at);
    }
  }

  function listen(at: Line, shard: number): Promise<unknown> {
    const underWay = at.listening.get(shard);
    if (underWay !== undefined) return underWay;
    const listening = at.connection.query({ text: `LISTEN ${channelOf(schema, shard)}` });
    at.listening.set(shard, listening);
    listening.catch(() => broken(at));
    return listening;
  }

  function unfollow(stream: StreamKey): void {
    // The log is closed.
    if (!followed.delete(stream)) return;
    const shard = shardOf(stream);
    const left = (shards.get(shard) ?? 1) - 1;
    if (left > 0) return void shards.set(shard, left);
    shards.delete(shard);
    if (line === undefined || !line.listening.delete(shard)) return;
    line.connection.query({ text: `UNLISTEN ${channelOf(schema, shard)}` }).catch(() => {});
  }

  return {
    follow: async (stream) => {
      const known = followed.get(stream) ?? { count: 0, head: 0 };
      if (known.count === 0) {
        followed.set(stream, known);
        const shard = shardOf(stream);
        shards.set(shard, (shards.get(shard) ?? 0) + 1);
      }
      const join = async () => listen(await open(), shardOf(stream));
      return following(known, join, () => unfollow(stream));
    },
    advanced: (stream, head) => {
      const known = followed.get(stream);
      if (known !== undefined && head > known.head) known.head = head;
    },
    close: () => {
      closed = true;
      cancel?.();
      followed.clear();
      line?.connection.end();
    },
  };
}
