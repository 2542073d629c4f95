/**
 * The connections of one store, lent for one call at a time: no more than a number of them, none longer than its call, and
 * nobody waits for one beyond the time that a connection may take. One that failed in the middle is let go, not lent again.
 */
import { LogUnavailable } from "../../errors.ts";
import type { Clock } from "../../platform/clock.ts";
import { logClosed, logRetryAfterMs } from "../closed.ts";
import type { Connection } from "./connection.ts";
import { endsConnection } from "./failure.ts";

export interface PoolTerms {
  readonly dial: () => Promise<Connection>;
  readonly maxConnections: number;
  readonly waitMs: number;
  readonly clock: Clock;
}

export interface Pool {
  /** Fails with what `work` fails with, and LogUnavailable when no connection comes free. */
  use<Answer>(work: (connection: Connection) => Promise<Answer>): Promise<Answer>;
  close(): Promise<void>;
}

interface Waiter {
  readonly take: (connection: Promise<Connection>) => void;
}

export function connectionPool({ dial, maxConnections, waitMs, clock }: PoolTerms): Pool {
  const idle: Connection[] = [];
  const waiters = new Set<Waiter>();
  let open = 0;
  let closed = false;
  let onDrained: (() => void) | undefined;

  function dialled(): Promise<Connection> {
    open += 1;
    return dial().then(
      (connection) => {
        connection.onEnd(() => {
          const at = idle.indexOf(connection);
          // Lent: whoever has it lets it go.
          if (at < 0) return;
          idle.splice(at, 1);
          gone();
        });
        return connection;
      },
      (cause: unknown) => {
        gone();
        throw cause;
      },
    );
  }

  /** A place is free: whoever waits gets a connection of its own. */
  function gone(): void {
    open -= 1;
    const [next] = waiters;
    if (next !== undefined) next.take(dialled());
    if (open === 0) onDrained?.();
  }

  function acquire(): Promise<Connection> {
    if (closed) return Promise.reject(logClosed());
    const ready = idle.pop();
    if (ready !== undefined) return Promise.resolve(ready);
    if (open < maxConnections) return dialled();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        take: (connection) => {
          waiters.delete(waiter);
          cancel();
          resolve(connection);
        },
      };
      const cancel = clock.after(waitMs, () => {
        waiters.delete(waiter);
        reject(new LogUnavailable({ message: "no connection to the database is free", retryAfterMs: logRetryAfterMs }));
      });
      waiters.add(waiter);
    });
  }

  function release(connection: Connection): void {
    if (!connection.isOpen()) return gone();
    const [next] = waiters;
    if (next !== undefined) return next.take(Promise.resolve(connection));
    if (!closed) return void idle.push(connection);
    connection.end();
    gone();
  }

  return {
    use: async (work) => {
      const connection = await acquire();
      try {
        const answer = await work(connection);
        release(connection);
        return answer;
      } catch (cause) {
        if (endsConnection(cause)) {
          connection.end("cut");
          gone();
        } else release(connection);
        throw cause;
      }
    },
    close: async () => {
      closed = true;
      for (const connection of idle.splice(0)) {
        connection.end();
        gone();
      }
      if (open === 0) return;
      await new Promise<void>((resolve) => {
        onDrained = resolve;
      });
    },
  };
}
