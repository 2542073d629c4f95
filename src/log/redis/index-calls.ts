/** Scripts on the indexes, each on the line of the server that has its key. */
import type { Script } from "./script.ts";
import type { Role } from "./node.ts";
import type { Servers } from "./servers.ts";

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

  async #call(role: Role, key: string, script: Script, args: readonly string[]): Promise<readonly string[]> {
    const { words } = await this.#servers.run(role, key, script, () => args);
    return words;
  }
}
