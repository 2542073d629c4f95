/**
 * `runcast/react`: the client's values as hooks. A client belongs to one user: give the component that makes it a
 * `key` per user. React's strict mode mounts everything twice; the socket is opened once.
 */
import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import type { RunView } from "../../protocol/run-view.ts";
import { type Client, connect } from "./client.ts";
import type { ClientStatus } from "./client-status.ts";
import type { ConnectOptions } from "./options.ts";

/** The client of this part of the page. */
export const RuncastContext = createContext<Client | undefined>(undefined);

/**
 * A client that lives as long as the component: connected while it is mounted. The options of the first render count,
 * but for `token`, where the newest callback is asked.
 */
export function useRuncastClient(options: ConnectOptions): Client {
  const token = useRef(options.token);
  const [client] = useState(() => connect({ ...options, autoStart: false, token: (ask) => token.current(ask) }));
  useEffect(() => {
    token.current = options.token;
  });
  useEffect(() => {
    client.start();
    return () => client.close();
  }, [client]);
  return client;
}

/** Makes a client and gives it to all below. */
export function RuncastProvider(props: ConnectOptions & { readonly children?: ReactNode }): ReactElement {
  const { children, ...options } = props;
  return createElement(RuncastContext.Provider, { value: useRuncastClient(options) }, children);
}

/** The nearest client. Throws where there is none. */
export function useClient(): Client {
  const client = useContext(RuncastContext);
  if (client === undefined) throw new Error("there is no RuncastProvider above this component");
  return client;
}

/** The newest view of a run; undefined while nothing is known of it. */
export function useRun(runId: string): RunView | undefined {
  const client = useClient();
  const subscribe = useCallback((changed: () => void) => client.run(runId).subscribe(changed), [client, runId]);
  const view = useCallback(() => client.run(runId).view, [client, runId]);
  return useSyncExternalStore(subscribe, view, view);
}

/** All known runs, the newest first. */
export function useRuns(): readonly RunView[] {
  const client = useClient();
  const subscribe = useCallback((changed: () => void) => client.on("runs", changed), [client]);
  const runs = useCallback(() => client.runs(), [client]);
  return useSyncExternalStore(subscribe, runs, runs);
}

/** State, cursor and head of the connection. */
export function useConnection(): ClientStatus {
  const client = useClient();
  const subscribe = useCallback((changed: () => void) => client.on("status", changed), [client]);
  const status = useCallback(() => client.status, [client]);
  return useSyncExternalStore(subscribe, status, status);
}
