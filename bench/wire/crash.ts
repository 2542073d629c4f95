/**
 * W5: kill -9 of the server in mid-run, under load from HTTP publishers that repeat what was not answered; restart on
 * the same store; real clients that were there and that were away. Lost is what a publisher was told is safe and a
 * client never gets.
 */
import { BuiltServer, userToken } from "../../test/support/built-server.ts";
import { HttpPublisher } from "../../test/support/http-publisher.ts";
import type { Client, Cursor, StreamEvent } from "../../src/client/index.ts";
import { connect } from "../../src/client/index.ts";
import { eventsPerRun, runEvents } from "./workload.ts";

const users = 20;
const kills = 5;
/** Acknowledged between two kills. */
const eventsBetweenKills = 600;
/** The clients under measurement try again this often: the figure is the server's, not their patience. */
const retryEveryMs = 50;
const firstCeilingMs = 500;
const patienceMs = 30_000;
const lookMs = 1;

/** What one application was handed, over all its connections. */
class Reader {
  readonly seen: string[] = [];
  private readonly url: () => string;
  private readonly userId: string;
  private readonly token: string;
  private client: Client | undefined;
  private cursor: Cursor | undefined;

  constructor(url: () => string, userId: string, token: string) {
    this.url = url;
    this.userId = userId;
    this.token = token;
  }

  arrive(): void {
    const client: Client = connect({
      url: this.url(),
      token: () => this.token,
      from: "start",
      ...(this.cursor && { cursor: this.cursor }),
      random: () => retryEveryMs / (firstCeilingMs * 2 ** Math.max(0, client.status.attempt - 1)),
    });
    this.client = client;
    client.on("event", (event) => this.take(event));
  }

  leave(): void {
    this.client?.close();
    this.cursor = this.client?.status.cursor;
  }

  private take({ data }: StreamEvent): void {
    const name: unknown = Reflect.get(data, "name");
    if (typeof name === "string") this.seen.push(name);
  }
}

/** One user's runner: runs one after the other, each event its own call, until it is told to stop. */
async function publishRuns(publisher: HttpPublisher, userId: string, isOver: () => boolean, said: string[]) {
  for (let number = 0; !isOver(); number += 1) {
    const runId = `${userId}-${number}`;
    const run = await publisher.startRun({ userId, runId });
    for (const [index, { type, data }] of runEvents(0).entries()) {
      const name = `${runId}/${index}`;
      await publisher.publish(run, [{ type, data: { ...data, name }, key: name }]);
      said.push(name);
    }
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`not within ${patienceMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

/** How many of these came to the reader: nothing is said twice, so a set is enough. */
const missing = (said: readonly string[], { seen }: Reader): number => {
  const got = new Set(seen);
  return said.filter((name) => !got.has(name)).length;
};

/** Names that stand before one that was said earlier. */
function reordered({ seen }: Reader): number {
  const newest = new Map<string, number>();
  let count = 0;
  for (const name of seen) {
    const [runId = "", index = "0"] = name.split("/");
    if (Number(index) < (newest.get(runId) ?? -1)) count += 1;
    newest.set(runId, Math.max(newest.get(runId) ?? -1, Number(index)));
  }
  return count;
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

/** Kills the server several times and says what it cost, in one line. */
export async function measureCrash(): Promise<string> {
  await using server = await BuiltServer.start();
  const url = () => server.url;
  const names = Array.from({ length: users }, (_, at) => `user-${at}`);
  const tokens = await Promise.all(names.map((userId) => userToken(userId)));
  const reader = (userId: string, at: number) => new Reader(url, userId, tokens[at] ?? "");
  const there = names.map(reader);
  const away = names.map(reader);
  for (const each of [...there, ...away]) each.arrive();

  const publisher = new HttpPublisher(url);
  const said = names.map((): string[] => []);
  let isOver = false;
  const publishing = Promise.all(
    names.map((userId, at) => publishRuns(publisher, userId, () => isOver, said[at] ?? [])),
  );
  const upMs: number[] = [];
  const caughtUpMs: number[] = [];
  const isThrough = (of: readonly Reader[], safe: readonly (readonly string[])[]) =>
    of.every(({ seen }, at) => seen.length >= (safe[at]?.length ?? 0));

  for (let kill = 0; kill < kills; kill += 1) {
    const target = (kill + 1) * eventsBetweenKills;
    await until("the publishers go on", () => publisher.acknowledged.length >= target - eventsBetweenKills / 2);
    for (const each of away) each.leave();
    await until("the publishers go on", () => publisher.acknowledged.length >= target);
    const killedMs = performance.now();
    await server.kill9();
    // What was acknowledged up to here must reach everybody.
    const safe = said.map((list) => [...list]);
    await server.restart();
    const listensMs = performance.now();
    for (const each of away) each.arrive();
    await until("every client catches up", () => isThrough(there, safe) && isThrough(away, safe));
    upMs.push(listensMs - killedMs);
    caughtUpMs.push(performance.now() - listensMs);
  }
  isOver = true;
  await publishing;
  await until("the last events come", () => isThrough(there, said) && isThrough(away, said)).catch(() => {});
  for (const each of [...there, ...away]) each.leave();

  const lost = (of: readonly Reader[]) => sum(of.map((each, at) => missing(said[at] ?? [], each)));
  const all = [...there, ...away];
  const doubled = sum(all.map(({ seen }) => seen.length - new Set(seen).size));
  return [
    `W5: ${kills} kills -9 under ${users} publishers (${sum(said.map(({ length }) => length))} events acknowledged,`,
    `runs of ${eventsPerRun}, ${publisher.repeats} calls repeated): lost ${lost(there)} there / ${lost(away)} away,`,
    `${doubled} doubled, ${sum(all.map(reordered))} reordered;`,
    `up in ${median(upMs).toFixed(0)} ms + caught up in ${median(caughtUpMs).toFixed(0)} ms (medians)`,
  ].join(" ");
}
