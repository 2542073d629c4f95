/** Another process at the store: the `sqlite3` command, as an operator or a backup would use it. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export class ForeignShell implements AsyncDisposable {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor(path: string) {
    if (spawnSync("sqlite3", ["-version"], { stdio: "ignore" }).error !== undefined)
      throw new Error("sqlite3 is not installed: apt-get install sqlite3");
    this.#child = spawn("sqlite3", ["-batch", path], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Runs a statement; gives the first line that it answers with, and resolves when it is done. */
  async run(sql: string): Promise<string> {
    const done = "-- done --";
    this.#child.stdin.write(`${sql}\n.print '${done}'\n`);
    let answer = "";
    for (;;) {
      const { value } = (await this.#lines.next()) as { value: string | undefined };
      if (value === undefined) throw new Error(`sqlite3 ended at: ${sql}`);
      if (value === done) return answer;
      answer ||= value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.stdin.end();
    await exited;
  }
}
