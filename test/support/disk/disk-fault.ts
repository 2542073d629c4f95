/** A fault of the disk under a server that runs: strace holds the thread of its log, and lets it go when the fault is over. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { requireStrace } from "./strace.ts";

const threadName = "runcast-log";

/**
 * From when this resolves to when it is disposed of, the log's system calls fail as `inject` says: see strace(1), as in
 * `fsync:error=EIO`. Only the log's thread is held: all others run at their own speed.
 */
export async function diskFault(pid: number, inject: string): Promise<AsyncDisposable> {
  requireStrace();
  const calls = inject.split(":")[0] ?? "";
  const tracer = spawn(
    "strace",
    ["-p", String(threadOf(pid)), "-e", `trace=${calls}`, "-e", `inject=${inject}`, "-o", "/dev/null"],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const exited = once(tracer, "exit");
  const said: string[] = [];
  const attached = new Promise<void>((resolve, reject) => {
    createInterface({ input: tracer.stderr }).on("line", (line) => {
      said.push(line);
      if (line.includes(" attached")) resolve();
    });
    void exited.then(() => reject(new Error(`strace cannot hold the log's thread: ${said.join("; ")}`)));
  });
  await attached;
  return {
    [Symbol.asyncDispose]: async () => {
      // It detaches and leaves the thread as it was.
      tracer.kill("SIGINT");
      await exited;
    },
  };
}

function threadOf(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  const found = readdirSync(tasks).find((task) => readFileSync(`${tasks}/${task}/comm`, "utf8").trim() === threadName);
  if (found === undefined) throw new Error(`process ${pid} has no thread ${threadName}`);
  return Number(found);
}
