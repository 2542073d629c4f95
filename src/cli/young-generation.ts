/**
 * Bounds V8's young generation, for `serve`. By default it grows to three times 32 MiB while thousands of
 * connections arrive, and never shrinks again: half of what an idle server would hold (W3 in `npm run bench`).
 */
import cluster from "node:cluster";

const flag = "--max-semi-space-size";
/** MiB: large enough that what a burst of runs holds for some milliseconds dies young. */
const maxSemiSpaceMb = 8;

/**
 * Starts this program again in this same process (same pid, same streams), with the bound. The limit is read when V8
 * starts, so it cannot be set later. Who sets the flag himself keeps his value; where a process cannot be replaced
 * nothing happens, nor in a worker, which was started with its primary's flags.
 */
export function boundYoungGeneration(): void {
  const { execve, execPath, execArgv, argv, env, platform } = process;
  const isSet = execArgv.some((argument) => argument.startsWith(flag)) || env["NODE_OPTIONS"]?.includes(flag);
  if (isSet || cluster.isWorker || typeof execve !== "function" || platform === "win32") return;
  execve(execPath, [execPath, `${flag}=${maxSemiSpaceMb}`, ...execArgv, ...argv.slice(1)], env);
}
