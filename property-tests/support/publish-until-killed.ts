/**
 * A process that publishes through the whole runtime onto a SQLite file until it is killed. It says on stdout, at once,
 * what was acknowledged to a publisher: `run seq offset key` a line.
 */
import { writeSync } from "node:fs";
import { argv, exit } from "node:process";
import { createRuncast } from "../../src/index.ts";

const [file = "", round = "0", runCount = "1", batch = "1"] = argv.slice(2);
const runcast = await createRuncast({ store: `sqlite:${file}`, auth: async () => ({ userId: "nobody" }) });

/** Synchronous: what stands in a buffer when the kill comes would never be checked. A full pipe is tried again. */
function say(line: string): void {
  for (;;) {
    try {
      writeSync(1, `${line}\n`);
      return;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EAGAIN") throw cause;
    }
  }
}

async function publish(which: number): Promise<void> {
  const run = await runcast.startRun({ userId: `user ${which % 2}`, runId: `run-${round}-${which}`, agent: "a" });
  for (let count = 0; ; count += 1) {
    const key = `${round}/${which}/${count}`;
    const events = Array.from({ length: Number(batch) }, (_, at) => ({
      type: "x.said" as const,
      data: { key, at },
      key: `${key}/${at}`,
    }));
    const { seq, offset } = await run.emit(events);
    say(`${run.runId} ${seq} ${offset} ${key}`);
  }
}

say("ready");
await Promise.all(Array.from({ length: Number(runCount) }, (_, which) => publish(which))).catch(() => exit(1));
