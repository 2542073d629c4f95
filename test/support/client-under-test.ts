/** A client against a scripted server, with the clock in the test's hand. */
import type { ClientStatus } from "../../src/client/client-status.ts";
import { type Client, connect } from "../../src/client/client.ts";
import type { ConnectOptions } from "../../src/client/options.ts";
import { ManualTimers } from "./manual-timers.ts";
import { type ScriptedConnection, ScriptedServer, welcome } from "./scripted-server.ts";

export interface ClientUnderTest extends AsyncDisposable {
  readonly server: ScriptedServer;
  readonly client: Client;
  readonly timers: ManualTimers;
}

export async function clientUnderTest(options: Partial<ConnectOptions> = {}): Promise<ClientUnderTest> {
  const server = await ScriptedServer.listen();
  const timers = new ManualTimers();
  // Half of the ceiling: neither at once nor at the cap.
  const defaults = { url: server.url, token: () => "token-1", timers, random: () => 0.5 };
  const client = connect({ ...defaults, ...options });
  return {
    server,
    client,
    timers,
    [Symbol.asyncDispose]: async () => {
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Resolves as soon as the status is so. */
export function untilStatus(client: Client, is: (status: ClientStatus) => boolean): Promise<ClientStatus> {
  return new Promise((resolve) => {
    if (is(client.status)) return resolve(client.status);
    const forget = client.on("status", (status) => {
      if (!is(status)) return;
      forget();
      resolve(status);
    });
  });
}

export const untilState = (client: Client, state: ClientStatus["state"]): Promise<ClientStatus> =>
  untilStatus(client, (status) => status.state === state);

/** The next connection, after its hello was answered with a welcome. */
export async function welcomed(
  server: ScriptedServer,
  fields: Parameters<typeof welcome>[0] = {},
): Promise<ScriptedConnection> {
  const connection = await server.connection();
  await connection.frame("hello");
  connection.send(welcome(fields));
  return connection;
}

/** The next so many of what a loop gets. */
export async function take<Value>(items: AsyncIterator<Value>, count: number): Promise<readonly Value[]> {
  const values: Value[] = [];
  while (values.length < count) {
    const next = await items.next();
    if (next.done === true) break;
    values.push(next.value);
  }
  return values;
}
