/** Scripts on the indexes, each on the line of the server that has its key. */
import type { Script } from "./script.ts";
import type { Role, Servers } from "./servers.ts";

export class IndexCalls {
  readonly keys: Servers["keys"];
  readonly #servers: Servers;

  constructor(servers: Servers) {
    this.#servers = servers;
    this.keys = servers.keys;
  }

  read(key: string, script: Script, ...args: readonly string[]): Promise<readonly string[]> {
    return this.#call("read", key, script, args);
  }

  write(key: string, script: Script, ...args: readonly string[]): Promise<readonly string[]> {
    return this.#call("write", key, script, args);
  }

  /** One field or more of a hash. */
  async fields(key: string, ...names: readonly string[]): Promise<readonly (string | null)[]> {
    const line = this.#servers.ready("read", key) ?? (await this.#servers.line("read", key));
    return (await line.ask(["HMGET", key, ...names])) as readonly (string | null)[];
  }

  async #call(role: Role, key: string, script: Script, args: readonly string[]): Promise<readonly string[]> {
    const line = this.#servers.ready(role, key) ?? (await this.#servers.line(role, key));
    return line.run(script, key, args);
  }
}
