/**
 * Several built servers ("nodes") on one store, each with a port and a relay to the store of its own, and before them a
 * balancer that asks nobody which node a client was on: each new connection goes to a node at random.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Exit } from "../built-server.ts";
import { BuiltServer } from "../built-server.ts";
import { TcpProxy } from "../tcp-proxy.ts";
import type { FleetStore, Replica, StoreKind } from "./fleet-store.ts";
import { openStore } from "./fleet-store.ts";

export const leaseMs = 8_000;
const graceMs = 1_000;
/** The shortest that a server takes: who was on a node that died quietly notices after two of them. */
const heartbeatMs = 1_000;

export interface FleetOptions {
  readonly nodes: number;
  readonly random: () => number;
  readonly replica?: Replica;
  /** For all of them, or as a node (from 0) needs it. */
  readonly env?: Readonly<Record<string, string>> | ((node: number) => Readonly<Record<string, string>>);
}

export class FleetNode {
  readonly name: string;
  readonly server: BuiltServer;
  /** Between it and the store. */
  readonly relay: TcpProxy;
  /** What the balancer thinks of it. */
  isIn = true;

  constructor(name: string, server: BuiltServer, relay: TcpProxy) {
    this.name = name;
    this.server = server;
    this.relay = relay;
  }

  get url(): string {
    return this.server.url;
  }
}

export class Fleet implements AsyncDisposable {
  readonly store: FleetStore;
  readonly nodes: readonly FleetNode[];
  readonly balancer: TcpProxy;
  readonly #random: () => number;

  private constructor(store: FleetStore, nodes: readonly FleetNode[], random: () => number, balancer: TcpProxy) {
    this.store = store;
    this.nodes = nodes;
    this.#random = random;
    this.balancer = balancer;
  }

  static async start(kind: StoreKind, { nodes: count, random, replica, env = {} }: FleetOptions): Promise<Fleet> {
    const store = await openStore(kind, replica);
    try {
      const nodes: FleetNode[] = [];
      for (let at = 0; at < count; at += 1) {
        const relay = await TcpProxy.listen(() => store.address());
        const own = typeof env === "function" ? env(at) : env;
        const server = await BuiltServer.start({ env: { ...settings(store.urlThrough(relay)), ...own } });
        nodes.push(new FleetNode(`node-${at}`, server, relay));
      }
      const fleet: Fleet = new Fleet(store, nodes, random, await TcpProxy.listen(() => fleet.anyUrl()));
      return fleet;
    } catch (cause) {
      await store[Symbol.asyncDispose]();
      throw cause;
    }
  }

  /** One of those that the balancer would choose. */
  anyNode(): FleetNode {
    const isIn = this.nodes.filter((node) => node.isIn);
    return oneOf(isIn.length === 0 ? this.nodes : isIn, this.#random);
  }

  anyUrl(): string {
    return this.anyNode().url;
  }

  node(at: number): FleetNode {
    const node = this.nodes[at];
    if (node === undefined) throw new Error(`there is no node ${at}`);
    return node;
  }

  /** Any but this one. */
  other(than: FleetNode): FleetNode {
    return oneOf(
      this.nodes.filter((node) => node !== than && node.isIn),
      this.#random,
    );
  }

  async kill9(node: FleetNode): Promise<void> {
    node.isIn = false;
    await node.server.kill9();
  }

  async startAgain(node: FleetNode): Promise<void> {
    await node.server.restart();
    node.isIn = true;
  }

  /** As a balancer with health checks sees it: nobody new is sent to a node that does not answer. */
  pause(node: FleetNode): void {
    node.isIn = false;
    node.server.signal("SIGSTOP");
  }

  resume(node: FleetNode): void {
    node.server.signal("SIGCONT");
    node.isIn = true;
  }

  /** SIGTERM, its end, and its start. The balancer hears of it when it is gone. */
  async roll(node: FleetNode): Promise<Exit> {
    const exit = await node.server.terminate();
    node.isIn = false;
    await this.startAgain(node);
    return exit;
  }

  /** What the nodes have written, for a test that fails. */
  said(): string {
    return this.nodes.map(({ name, server }) => `${name}: ${server.stderr.slice(-4_000)}`).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.balancer[Symbol.asyncDispose]();
    await Promise.all(this.nodes.map(({ server }) => server[Symbol.asyncDispose]()));
    for (const { relay } of this.nodes) await relay[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
  }
}

const settings = (store: string): Readonly<Record<string, string>> => ({
  RUNCAST_STORE: store,
  RUNCAST_SPOOL: "none",
  RUNCAST_LEASE_MS: String(leaseMs),
  RUNCAST_GRACE_MS: String(graceMs),
  RUNCAST_HEARTBEAT_MS: String(heartbeatMs),
  // A store that comes back is tried again soon.
  RUNCAST_BREAKERS: "log:5/500/1",
});

export function oneOf<Value>(values: readonly Value[], random: () => number): Value {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error("there is nothing to choose from");
  return value;
}

/** Stands still for a while in the middle of a fault: the time itself is the fault. */
export const forMs = (ms: number): Promise<void> => pause(ms);
