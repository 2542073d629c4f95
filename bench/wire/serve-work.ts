/** What every server under measurement does with its orders: the one thing that differs is `publishRun`. */
import { serveControl } from "./control.ts";
import { fillAll, nowMs, publishAll, publishForEver } from "./workload.ts";

export async function serveWork(port: number, publishRun: (user: string) => Promise<void>): Promise<void> {
  const received = new Map<string, number>();
  let check = (): void => {};
  const controlPort = await serveControl((order, say) => {
    if (order.do === "received") {
      for (const [user, runs] of Object.entries(order.runs)) received.set(user, (received.get(user) ?? 0) + runs);
      check();
    } else if (order.do === "fill") {
      void fillAll(order.users, order.runsPerUser, publishRun).then(() => say({ said: "filled" }));
    } else if (order.do === "background") {
      void publishForEver(order.users, order.everyMs, publishRun);
    } else if (order.do === "memory") {
      globalThis.gc?.();
      globalThis.gc?.();
      const { rss, heapUsed, external } = process.memoryUsage();
      say({ said: "memory", rssBytes: rss, heapBytes: heapUsed + external });
    } else if (order.do === "exit") process.exit(0);
    else {
      received.clear();
      const startMs = nowMs();
      const cpu = process.cpuUsage();
      void publishAll(
        order.work,
        publishRun,
        (user) => received.get(user) ?? 0,
        (task) => {
          check = task;
        },
      ).then(() => {
        const { user, system } = process.cpuUsage(cpu);
        say({ said: "published", seconds: (nowMs() - startMs) / 1_000, cpuSeconds: (user + system) / 1e6 });
      });
    }
  });
  process.stdout.write(`${JSON.stringify({ said: "listening", port, controlPort })}\n`);
}
