/** What a Redis log is opened with, and what its address may say of it. */
import { InvalidConfig } from "../../errors.ts";
import type { Clock } from "../../platform/clock.ts";

export interface RedisLogOptions {
  /**
   * `redis://` or `rediss://[user[:password]@]host[:port][/database]`. Behind a `?`: `name`, `wait`, `wait_ms`, `call_ms`,
   * `poll_ms`, `durability`, which are the options below. Of a cluster: any of its nodes.
   */
  readonly url: string;
  /** Begins every key; several stores may live on one server. Default `runcast`. */
  readonly name?: string | undefined;
  /** Replicas that must have taken an append before it is acknowledged (`WAIT`). Default 0. */
  readonly waitReplicas?: number | undefined;
  /** How long they may take; when they do not, the outcome is unknown. Units: ms. Default 1,000. */
  readonly waitMs?: number | undefined;
  /** How long a call may take. Units: ms. Default 2,000. */
  readonly callMs?: number | undefined;
  /** `none`: a server without an append-only file is accepted, and what it forgets is gone. Default `aof`. */
  readonly durability?: "aof" | "none" | undefined;
  /** Writes that wait for the server; beyond it they are refused at once. Units: bytes. Default 64 MiB. */
  readonly maxWaitingBytes?: number | undefined;
  /** How often followed streams are looked at besides their bells. Units: ms. Default 5,000. */
  readonly pollMs?: number | undefined;
  /** Hears what a listener of `watch` threw. Default: a process warning. */
  readonly onBug?: ((error: unknown) => void) | undefined;
  readonly clock?: Clock | undefined;
}

export interface Terms {
  /** Without what is behind the `?`. */
  readonly url: string;
  readonly name: string;
  readonly waitReplicas: number;
  readonly waitMs: number;
  readonly callMs: number;
  /** How long it may take until a connection is there and settled. */
  readonly connectMs: number;
  readonly pollMs: number;
  readonly durability: "aof" | "none";
}

/** A handshake and a few questions: less than a call that waits, but never too short for a busy machine. */
const minConnectMs = 3_000;

const defaultWaitMs = 1_000;
const defaultCallMs = 2_000;
const defaultPollMs = 5_000;
const maxMs = 600_000;
const maxReplicas = 100;
const names = ["name", "wait", "wait_ms", "call_ms", "poll_ms", "durability"];

/** Fails: `InvalidConfig`. */
export function redisTerms(options: RedisLogOptions): Terms {
  if (!isRedisUrl(options.url)) throw wrong("is no Redis address; right is redis://host:port or rediss://host:port");
  const url = new URL(options.url);
  const said = new URLSearchParams(url.search);
  for (const name of said.keys())
    if (!names.includes(name)) throw wrong(`knows no "${name.slice(0, 20)}"; right are ${names.join(", ")}`);
  url.search = "";
  url.hash = "";
  const number = (name: string, given: number | undefined, standard: number, max: number, min: number): number => {
    const text = said.get(name);
    const value = given ?? (text === null ? standard : /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN);
    if (!(Number.isInteger(value) && value >= min && value <= max))
      throw wrong(`has a bad "${name}"; right is a whole number from ${min} to ${max}`);
    return value;
  };
  const name = options.name ?? said.get("name") ?? "runcast";
  if (!/^[A-Za-z0-9_.:-]{1,64}$/.test(name)) throw wrong(`has a bad "name"; right are 1 to 64 of A-Z a-z 0-9 _ . : -`);
  const durability = options.durability ?? said.get("durability") ?? "aof";
  if (durability !== "aof" && durability !== "none") throw wrong(`has a bad "durability"; right is aof or none`);
  const callMs = number("call_ms", options.callMs, defaultCallMs, maxMs, 1);
  return {
    url: url.href,
    name,
    durability,
    waitReplicas: number("wait", options.waitReplicas, 0, maxReplicas, 0),
    waitMs: number("wait_ms", options.waitMs, defaultWaitMs, maxMs, 1),
    callMs,
    pollMs: number("poll_ms", options.pollMs, defaultPollMs, maxMs, 1),
    connectMs: Math.max(callMs, minConnectMs),
  };
}

export const isRedisUrl = (text: string): boolean =>
  /^rediss?:\/\/\S+$/.test(text) && URL.canParse(text) && !/\p{Cc}/u.test(text);

/** For messages: without name and password. */
export function shownUrl(text: string): string {
  if (!URL.canParse(text)) return "redis:…";
  const { protocol, host } = new URL(text);
  return `${protocol}//${host}`;
}

export const wrong = (message: string): InvalidConfig => new InvalidConfig({ setting: "store", message });
