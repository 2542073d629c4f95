/**
 * `npm run bench [-- part …] [--rounds N]`: what Runcast costs, each figure beside its floor from the same run.
 * Machines are shared and noisy: read the ratios, not the numbers. Parts: machine, append, modes, fan-out, idle, resume,
 * crash, storm, stalled, start-up; all of these without a name. Only by name, for they start stores of their own: stores,
 * nodes, bells, socket.io, costs, scale.
 * `--stores a,b` takes some stores only, `--seconds N` is the time of one measurement, `--write` puts the tables into
 * docs/scale.md.
 */
import { parseArgs } from "node:util";
import { benchAppend } from "./append.ts";
import { benchMachine } from "./machine.ts";
import { benchBells } from "./cluster/bench-bells.ts";
import { benchNodes } from "./cluster/bench-nodes.ts";
import { benchSocketIo } from "./cluster/bench-socket-io.ts";
import { benchModes } from "./modes.ts";
import { benchCosts } from "./scale/bench-costs.ts";
import { benchScale } from "./scale/bench-scale.ts";
import { benchStores, storeNamesOf } from "./stores/bench-stores.ts";
import { measureCrash } from "./wire/crash.ts";
import type { FanOut, FanOutFigures } from "./wire/fan-out.ts";
import { measureFanOut } from "./wire/fan-out.ts";
import { measureIdle } from "./wire/idle.ts";
import { measureResume } from "./wire/resume.ts";
import { measureStalled } from "./wire/stalled.ts";
import { measureStartUp } from "./wire/start-up.ts";
import { measureStorm } from "./wire/storm.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "1" },
    stores: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const wants = (part: string): boolean => positionals.length === 0 || positionals.includes(part);

const w1: FanOut = { users: 100, connectionsPerUser: 2, runsPerUser: 120, window: 4 };
const w2: FanOut = { users: 1, connectionsPerUser: 500, runsPerUser: 60, window: 4 };
const idleConnections = 5_000;
const returningClients = 200;
const stalledClients = 1_000;
const unfinishedRuns = 100_000;
const stormClients = 5_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
const fixed = (value: number, digits = 2): string => value.toFixed(digits);

/** Rounds of both servers, taking turns, so that a slow minute hits both. */
async function fanOut(name: string, work: FanOut): Promise<void> {
  const raw: FanOutFigures[] = [];
  const ours: FanOutFigures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    raw.push(await measureFanOut("raw", work));
    ours.push(await measureFanOut("runcast", work));
    say(
      `  round ${round + 1}: ws ${fixed(raw.at(-1)?.deliveriesPerSecond ?? 0, 0)}/s, runcast ${fixed(ours.at(-1)?.deliveriesPerSecond ?? 0, 0)}/s`,
    );
  }
  say(
    `${name}: ${work.users} user(s) × ${work.connectionsPerUser} connections, runs of 30 events, median of ${rounds}`,
  );
  say("            deliveries/s   × ws   CPU s/100k   p50 ms   p99 ms");
  const floor = median(raw.map(({ deliveriesPerSecond }) => deliveriesPerSecond));
  for (const [label, figures] of [
    ["ws, no log", raw],
    ["runcast", ours],
  ] as const) {
    const rate = median(figures.map(({ deliveriesPerSecond }) => deliveriesPerSecond));
    const cells = [
      label.padEnd(11),
      fixed(rate, 0).padStart(12),
      fixed(rate / floor).padStart(6),
      fixed(median(figures.map(({ cpuSeconds }) => cpuSeconds))).padStart(12),
      fixed(median(figures.map(({ p50Ms }) => p50Ms))).padStart(8),
      fixed(median(figures.map(({ p99Ms }) => p99Ms))).padStart(8),
    ];
    say(cells.join(" "));
  }
}

const onStores = {
  rounds,
  seconds: Number(values.seconds),
  stores: storeNamesOf(values.stores),
  write: values.write,
  say,
};

say(`node ${process.version}, ${new Date().toISOString().slice(0, 10)}, ${rounds} rounds`);
if (wants("machine")) say(await benchMachine());
if (wants("append")) say(await benchAppend());
if (wants("modes")) say(await benchModes());
if (wants("fan-out")) {
  await fanOut("W1", w1);
  await fanOut("W2", w2);
}
if (wants("idle")) {
  const raw = await measureIdle("raw", idleConnections);
  const ours = await measureIdle("runcast", idleConnections);
  say(
    `W3: ${idleConnections} idle connections: ws ${fixed(raw.kibPerConnection, 1)} KiB each, runcast ${fixed(ours.kibPerConnection, 1)} KiB each`,
  );
}
if (wants("resume")) {
  const runs = [];
  for (let round = 0; round < rounds; round += 1) runs.push(await measureResume(returningClients));
  const lost = runs.reduce((sum, run) => sum + run.lost, 0);
  say(
    `W4: ${returningClients} clients, 120 missed events each: all caught up in ${fixed(median(runs.map(({ ms }) => ms)), 0)} ms, ${lost} lost`,
  );
}
if (wants("crash")) say(await measureCrash());
if (wants("storm")) {
  const storm = await measureStorm(stormClients);
  say(
    `storm: ${storm.clients} clients, server killed and back after ${fixed(storm.downMs, 0)} ms: 99 % live again ${fixed(storm.backMs, 0)} ms later, all after ${fixed(storm.allBackMs, 0)} ms; at most ${storm.peakPerSecond} in one second, ${fixed(storm.triesPerClient)} sockets, ${fixed(storm.logReadsPerClient)} log reads each, server CPU ${fixed(storm.cpuSeconds)} s`,
  );
}
if (wants("stalled")) {
  const { clients, heldKibEach, rssKibEach, kernelKibEach, p99Ms, p99WithoutMs, ratios, missed } = await measureStalled(
    stalledClients,
    rounds,
  );
  say(
    [
      `W7: ${clients} clients that stand still hold ${fixed(heldKibEach, 1)} KiB each in the process (RSS ${fixed(rssKibEach, 1)} KiB each),`,
      `${fixed(kernelKibEach, 0)} KiB each in the kernel (both ends);`,
      `others' p99 ${fixed(p99Ms)} ms, without them ${fixed(p99WithoutMs)} ms, × ${fixed(median(ratios))}`,
      `(median of ${ratios.length}: ${ratios.map((each) => fixed(each)).join(" ")});`,
      `one that read on missed ${missed}`,
    ].join(" "),
  );
}
if (wants("start-up")) say(await measureStartUp(unfinishedRuns));
if (positionals.includes("stores")) await benchStores(onStores);
if (positionals.includes("nodes")) await benchNodes(onStores);
if (positionals.includes("bells")) await benchBells(onStores);
if (positionals.includes("costs")) await benchCosts(onStores);
if (positionals.includes("scale")) await benchScale(onStores);
if (positionals.includes("socket.io")) await benchSocketIo(onStores);
