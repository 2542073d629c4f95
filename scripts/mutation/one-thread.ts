/**
 * Vite plugins that bring everything into the one thread where a mutant is switched on: vitest's pool keeps that
 * thread, and the SQLite log's own thread runs in it (see test/support/in-process-worker.ts).
 */
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { ReusedThread } from "./reused-thread.ts";

const worker = fileURLToPath(new URL("../../test/support/in-process-worker.ts", import.meta.url));
const threads = /import .* from "node:worker_threads";/;
const lastImport = /^[^]*\nimport [^]*?;\n/;

export const keepThread: Plugin = {
  name: "keep-thread",
  configureVitest({ project }) {
    const createPoolWorker = (options: ConstructorParameters<typeof ReusedThread>[0]) => new ReusedThread(options);
    Object.assign(project.config, {
      pool: ReusedThread.poolName,
      poolRunner: { name: ReusedThread.poolName, createPoolWorker },
    });
  },
  closeBundle: () => ReusedThread.end(),
};

export const joinThread: Plugin = {
  name: "join-thread",
  enforce: "pre",
  transform(code, id) {
    if (id.endsWith("/src/log/sqlite-thread.ts"))
      return code.replace(threads, `import { Worker } from ${JSON.stringify(worker)};`);
    if (!id.endsWith("/src/log/sqlite-worker.ts")) return undefined;
    const imports = lastImport.exec(code)?.[0] ?? "";
    const body = code.slice(imports.length);
    return `${imports.replace(threads, "")}export function program(parentPort, workerData) {${body}}`;
  },
};
