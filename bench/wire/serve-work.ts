/** What every server under measurement does with its orders: what differs is how it says things. */
import type { ProcessFigures } from "./control.ts";
import { serveControl } from "./control.ts";
import type { Meters } from "./traffic.ts";
import type { WorkEvent } from "./workload.ts";
import { arriveAll, fillAll, nowMs, publishAll, publishForEver, sayAll } from "./workload.ts";

const microsPerSecond = 1e6;

export interface Publishes {
  readonly port: number;
  /** Says one whole run of one user; `gapMs` between two events, 0 for all at once. */
  publishRun(user: string, gapMs?: number): Promise<void>;
  /** Says events of a run of the user's that stays open. */
  say?(user: string, events: readonly WorkEvent[]): Promise<unknown>;
}

const nothing = { inBytes: 0, outBytes: 0 };

function processFigures(meters: Meters | undefined): ProcessFigures {
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / microsPerSecond,
    rssBytes: process.memoryUsage.rss(),
    store: meters?.store.read() ?? nothing,
    clients: meters?.clients.read() ?? nothing,
  };
}

export async function serveWork({ port, publishRun, say: sayEvents }: Publishes, meters?: Meters): Promise<void> {
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
    } else if (order.do === "say") {
      const startMs = nowMs();
      const saying = sayEvents ?? (() => Promise.reject(new Error("this server says whole runs only")));
      void sayAll(order.saying, saying).then((ackMs) =>
        say({ said: "said", seconds: (nowMs() - startMs) / 1_000, ackMs }),
      );
    } else if (order.do === "arrive") {
      void arriveAll(order.arriving, publishRun).then((runs) => say({ said: "arrived", runs }));
    } else if (order.do === "memory") {
      globalThis.gc?.();
      globalThis.gc?.();
      const { rss, heapUsed, external } = process.memoryUsage();
      say({ said: "memory", rssBytes: rss, heapBytes: heapUsed + external });
    } else if (order.do === "figures") say({ said: "figures", ...processFigures(meters) });
    else if (order.do === "exit") process.exit(0);
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
        say({ said: "published", seconds: (nowMs() - startMs) / 1_000, cpuSeconds: (user + system) / microsPerSecond });
      });
    }
  });
  process.stdout.write(`${JSON.stringify({ said: "listening", port, controlPort })}\n`);
}
