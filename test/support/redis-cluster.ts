/** Three masters of a Redis Cluster on loopback, each with its append-only file and a third of the slots. */
import { eventually } from "./eventually.ts";
import { RedisServer } from "./redis-server.ts";

const slotCount = 16_384;

export class RedisCluster implements AsyncDisposable {
  readonly masters: readonly RedisServer[];

  private constructor(masters: readonly RedisServer[]) {
    this.masters = masters;
  }

  static async start(count = 3): Promise<RedisCluster> {
    const masters: RedisServer[] = [];
    for (let at = 0; at < count; at += 1)
      masters.push(await RedisServer.start({ appendfsync: "always", isCluster: true }));
    const cluster = new RedisCluster(masters);
    for (const [at, master] of masters.entries()) {
      const [from, upto] = [Math.ceil((at * slotCount) / count), Math.ceil(((at + 1) * slotCount) / count) - 1];
      await master.ask("CLUSTER", "ADDSLOTSRANGE", String(from), String(upto));
      const [first] = masters;
      if (first !== undefined && master !== first)
        await master.ask("CLUSTER", "MEET", "127.0.0.1", String(first.port), String(first.busPort));
    }
    await cluster.whole();
    return cluster;
  }

  get url(): string {
    return this.masters[0]?.url ?? "";
  }

  /** Until every master sees all slots served by all. */
  async whole(): Promise<void> {
    await eventually(async () => {
      for (const master of this.masters) {
        const info = String(await master.ask("CLUSTER", "INFO"));
        const isWhole =
          info.includes("cluster_state:ok") && info.includes(`cluster_known_nodes:${this.masters.length}`);
        if (!isWhole) throw new Error("the cluster is not whole");
      }
    });
  }

  /** Moves a slot, with what is in it. */
  async move(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
    const [source, target] = await Promise.all([from, to].map(async (one) => String(await one.ask("CLUSTER", "MYID"))));
    await to.ask("CLUSTER", "SETSLOT", String(slot), "IMPORTING", source ?? "");
    await from.ask("CLUSTER", "SETSLOT", String(slot), "MIGRATING", target ?? "");
    const keys = (await from.ask("CLUSTER", "GETKEYSINSLOT", String(slot), "1000")) as readonly string[];
    for (const key of keys) await from.ask("MIGRATE", "127.0.0.1", String(to.port), key, "0", "5000");
    for (const one of [to, from]) await one.ask("CLUSTER", "SETSLOT", String(slot), "NODE", target ?? "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const master of this.masters) await master[Symbol.asyncDispose]();
  }
}
