/**
 * A runner as a program of its own, which a test may kill: `node remote-publisher.ts <url> <userId> <runs> <leaseMs>`.
 * It starts its runs, opens a tool in each, says a word in each of them again and again, and never ends one.
 */
import { HttpPublisher } from "./http-publisher.ts";

const [url = "", userId = "", runCount = "1", leaseMs = "1000"] = process.argv.slice(2);
/** A few words in every lease. */
const everyMs = Number(leaseMs) / 5;

const publisher = new HttpPublisher(url);
const runs = await Promise.all(
  Array.from({ length: Number(runCount) }, (_, index) =>
    publisher.startRun({ userId, runId: `${userId}-${index}`, leaseMs: Number(leaseMs) }),
  ),
);
for (const run of runs)
  await publisher.publish(run, [{ type: "tool_executing", data: { toolCallId: "c", toolName: "slow" } }]);
process.stdout.write("publishing\n");
for (;;) {
  await Promise.all(runs.map((run) => publisher.publish(run, [{ type: "x.word", data: {} }])));
  await new Promise((resolve) => setTimeout(resolve, everyMs));
}
