/** Code that a server under test runs on SIGUSR2: what goes wrong inside of a process, on demand. */

/** The value of `NODE_OPTIONS`. `body`: statements of JavaScript. */
export function onUserSignal(body: string): string {
  // The log's thread hears no signals and has its own life.
  const text = `import { isMainThread } from "node:worker_threads";
    if (isMainThread) process.on("SIGUSR2", () => { ${body} });`;
  return `--import=data:text/javascript,${encodeURIComponent(text)}`;
}
