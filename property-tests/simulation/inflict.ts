/** What each kind of fault does to a world. Data goes in; what was hit, how long and how hard is decided by the script. */
import { Runner } from "./runner.ts";
import type { Fault, FaultKind } from "./script.ts";
import type { Device } from "./device.ts";
import type { World } from "./world.ts";

const longestJumpMs = 2 * 3_600_000;
const longestKeptMs = 5_000;
const almost = 0.9;
const slowest = 40;
const slowDrainMs = 3_000;
const longestSpikeMs = 3_000;
const garbledBeyond = 1_000;
const framesUntilCut = 12;

export function inflict(world: World, fault: Fault): void {
  inflictions[fault.kind](world, fault);
}

const deviceOf = (world: World, { who }: Fault): Device | undefined => world.devices[who % world.devices.length];
const runnerOf = (world: World, { who }: Fault): Runner | undefined => world.runners[who % world.runners.length];

const inflictions: Readonly<Record<FaultKind, (world: World, fault: Fault) => void>> = {
  "server.kill": (world, { who, forMs }) => {
    const server = world.fleet.at(who);
    if (server) world.fleet.restart(server, forMs);
  },
  "server.drain": (world, { who, forMs, part }) => {
    const server = world.fleet.at(who);
    // A drain waits for the disk, and devices come meanwhile.
    if (part > 0.5) world.disk.faults.slow(slowDrainMs, slowest);
    if (server && !server.process.isStopped) world.guard(server.drain().then(() => world.fleet.beginAfter(forMs)));
  },
  "server.stop": (world, { who, forMs }) => {
    const server = world.fleet.at(who);
    server?.process.stop();
    world.time.after(forMs, "a server wakes", () => server?.process.goOn());
  },
  /** It is not heard of, another takes its place, and then it comes back as if nothing had been. */
  "server.replace": (world, { who, forMs, part }) => {
    const server = world.fleet.at(who);
    if (server === undefined) return;
    world.isShared = !world.fleet.areSeveral;
    server.process.stop();
    world.time.after(forMs * part, "a successor begins", () => world.fleet.add());
    world.time.after(forMs, "a server wakes", () => {
      if (world.fleet.alive.length > 1) world.sometimes.note("a stopped server wakes beside its successor");
      server.process.goOn();
    });
    world.time.after(2 * forMs, "the old server goes", () => {
      if (world.fleet.alive.length > world.fleet.wanted) server.kill();
    });
  },
  "server.wallJump": (world, { who, part }) => {
    const wall = world.fleet.areSeveral ? world.fleet.at(who)?.wall : world.wall;
    if (wall) wall.skewMs += Math.round((part - 0.5) * longestJumpMs);
  },
  "node.cut": (world, { who, forMs }) => world.fleet.at(who)?.line?.cut(forMs),
  "node.loseAnswers": (world, { who, forMs }) => world.fleet.at(who)?.line?.loseAnswers(forMs),
  "bells.break": (world, { who, forMs }) => world.fleet.at(who)?.line?.breakBells(forMs),
  "bells.lose": (world, { who, forMs }) => world.fleet.at(who)?.line?.loseBells(forMs),
  "bells.delay": (world, { who, forMs, part }) => world.fleet.at(who)?.line?.delayBells(forMs, part * longestSpikeMs),
  "store.restart": (world, { forMs }) => {
    if (world.fleet.areSeveral) world.loseStore(forMs);
  },
  "power.cut": (world, { forMs }) => world.loseLight(forMs, () => world.disk.powerOn()),
  "log.restore": (world, { forMs, part }) => world.loseLight(forMs, () => world.disk.restore(part)),
  /** A device hears nothing for a while, and before it comes back what it missed is gone. */
  "log.retire": (world, fault) => {
    world.isRetired = true;
    const line = deviceOf(world, fault)?.line;
    line?.silence("up", fault.forMs);
    line?.silence("down", fault.forMs);
    world.time.after(fault.forMs * almost, "what is old is retired", () =>
      world.fleet.at(fault.who)?.retire(fault.part ** 2 * longestKeptMs),
    );
  },
  "log.compact": (world, { who }) => world.fleet.at(who)?.compact(),
  "log.failBefore": (world, { part }) => world.disk.faults.fail("before", 1 + Math.floor(part * 3)),
  "log.failAfter": (world, { part }) => world.disk.faults.fail("after", 1 + Math.floor(part * 3)),
  "log.full": (world, { forMs }) => world.disk.faults.full(forMs),
  "log.slow": (world, { forMs, part }) => world.disk.faults.slow(forMs, 1 + part * slowest),
  "log.deaf": (world, { forMs }) => world.disk.faults.deaf(forMs),
  "net.cut": (world, fault) => deviceOf(world, fault)?.link?.cut(),
  "net.cutAfter": (world, fault) => {
    const line = deviceOf(world, fault)?.line;
    if (line) line.framesLeft = 1 + Math.floor(fault.part * framesUntilCut);
  },
  "net.halfOpen": (world, fault) => {
    const line = deviceOf(world, fault)?.line;
    line?.silence("up", fault.forMs);
    line?.silence("down", fault.forMs);
  },
  "net.deafUp": (world, fault) => deviceOf(world, fault)?.line.silence("up", fault.forMs),
  "net.deafDown": (world, fault) => deviceOf(world, fault)?.line.silence("down", fault.forMs),
  "net.spike": (world, fault) => deviceOf(world, fault)?.line.spike(fault.forMs, fault.part * longestSpikeMs),
  "net.loseAnswers": (world, { forMs }) => {
    world.answersLostUntilMs = world.time.nowMs + forMs;
  },
  "device.crash": (world, fault) => deviceOf(world, fault)?.crash(fault.forMs),
  "device.freeze": (world, fault) => {
    const device = deviceOf(world, fault);
    const process = device?.process;
    process?.stop();
    world.time.after(fault.forMs, "a device wakes", () => process?.goOn());
  },
  "device.garble": (world, fault) => {
    const device = deviceOf(world, fault);
    device?.crash(fault.forMs);
    device?.garble(garbledBeyond);
  },
  "device.reload": (world, fault) => deviceOf(world, fault)?.reload(fault.forMs),
  "runner.kill": (world, fault) => runnerOf(world, fault)?.fallSilent(),
  "runner.stop": (world, fault) => {
    const process = runnerOf(world, fault)?.process;
    process?.stop();
    world.time.after(fault.forMs, "a runner wakes", () => process?.goOn());
  },
  /** Nobody hears of it, another runner takes the run over, and then it comes back with its old fence. */
  "runner.replace": (world, fault) => {
    const runner = runnerOf(world, fault);
    if (runner === undefined || !runner.isStarted || !runner.isAlive) return;
    runner.process.stop();
    world.time.after(fault.forMs, "a runner wakes", () => runner.process.goOn());
    const index = Number(runner.runId.replace("run-", ""));
    const successor = new Runner(world, runner.script, index, world.runners.length);
    world.runners.push(successor);
    world.guard(successor.takeOver());
  },
};
