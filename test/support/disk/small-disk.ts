/**
 * A disk that is soon full. Where a file system may be mounted (root), a tmpfs of a few MiB; elsewhere the kernel answers
 * the log's thread as if the disk were full, as soon as it is told to.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskFault } from "./disk-fault.ts";

const diskMebibytes = 4;

export class SmallDisk implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "runcast-small-"));
  readonly isMounted: boolean;
  #fault: AsyncDisposable | undefined;

  constructor() {
    const options = ["-t", "tmpfs", "-o", `size=${diskMebibytes}m`, "runcast-small", this.folder];
    this.isMounted = spawnSync("mount", options, { stdio: "ignore" }).status === 0;
  }

  /** No byte more fits. `pid`: the server that has its store here. */
  async fill(pid: number): Promise<void> {
    if (!this.isMounted) {
      this.#fault = await diskFault(pid, "pwrite64:error=ENOSPC");
      return;
    }
    const { bavail, bsize } = statfsSync(this.folder);
    writeFileSync(this.#ballast, Buffer.alloc(bavail * bsize));
  }

  async free(): Promise<void> {
    await this.#fault?.[Symbol.asyncDispose]();
    this.#fault = undefined;
    if (this.isMounted) truncateSync(this.#ballast, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fault?.[Symbol.asyncDispose]();
    if (this.isMounted) spawnSync("umount", [this.folder], { stdio: "ignore" });
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #ballast(): string {
    return join(this.folder, "ballast");
  }
}
