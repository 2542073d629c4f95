/**
 * One tab or phone: the real client on simulated sockets and timers, a user before it who answers what runs ask, and an
 * application that remembers what it was given. It may crash, sleep, reload and lose its memory.
 */
import type { ServerFrame } from "../../protocol/frames.ts";
import type { RunView } from "../../protocol/run-view.ts";
import { connect } from "../../src/client/client.ts";
import type { Client } from "../../src/client/client.ts";
import { CommandRefused } from "../../src/client/client-error.ts";
import { Application } from "./application.ts";
import type { Chance } from "./chance.ts";
import { Line } from "./line.ts";
import type { Link } from "./link.ts";
import type { DeviceScript } from "./script.ts";
import { SimClock } from "./sim-clock.ts";
import { SimProcess } from "./sim-process.ts";
import { SimSocket } from "./sim-socket.ts";
import type { World } from "./world.ts";

const slowestReadMs = 300;
const slowestTokenMs = 100;
const thinksMs = 3_000;

export class Device {
  readonly script: DeviceScript;
  readonly user: string;
  readonly line: Line;
  readonly app: Application;
  process: SimProcess;
  client: Client;
  link: Link | undefined;
  private readonly name: string;
  private readonly world: World;
  private readonly chance: Chance;
  private lives = 0;
  /** Of the frame that is being handed to the client. */
  private snapshotAt = 0;
  /** The server that welcomed it last. */
  private welcomedBy: string | undefined;
  private readonly answered = new Set<string>();

  constructor(world: World, script: DeviceScript, index: number) {
    this.world = world;
    this.script = script;
    this.user = world.userName(script.user);
    this.name = `device ${index}`;
    this.chance = world.chance.fork(this.name);
    const { minLatencyMs, maxLatencyMs } = world.script.settings;
    const { bytesPerMs } = script;
    this.line = new Line(world.time, this.chance, { minLatencyMs, maxLatencyMs, bytesPerMs });
    this.app = new Application((law, what) => world.violate(law, `${this.name}: ${what}`));
    [this.process, this.client] = this.boot();
  }

  get isUp(): boolean {
    return !this.process.isGone && !this.process.isStopped;
  }

  /** Where it says that it is. */
  get offset(): number {
    return this.client.status.cursor?.offset ?? 0;
  }

  /** The process dies with everything in it; another begins from what was committed. */
  crash(forMs: number): void {
    if (this.process.isGone) return;
    this.process.kill();
    this.link?.breakOff("up");
    this.world.time.after(forMs, `${this.name} begins`, () => this.begin());
  }

  /** The page goes in good order and comes back. */
  reload(forMs: number): void {
    if (!this.isUp) return;
    this.client.close();
    this.process.kill();
    this.world.time.after(forMs, `${this.name} begins`, () => this.begin());
  }

  garble(offset: number): void {
    const { epoch } = this.world.history;
    if (this.script.storage === "durable") this.app.garble({ epoch, offset });
  }

  begin(): void {
    if (!this.process.isGone) return;
    [this.process, this.client] = this.boot();
  }

  private boot(): [SimProcess, Client] {
    const { world, chance, script } = this;
    const { drift } = world.script.settings;
    this.lives += 1;
    const process = new SimProcess(`${this.name}.${this.lives}`, world.time, chance);
    const timers = new SimClock(world.time, process, world.wall, 1 + chance.between(-drift, drift), chance);
    if (script.storage === "durable") this.app.reborn();
    else this.app.forget();
    this.answered.clear();
    const { app } = this;
    const dial = (): Link => this.dial();
    const received = (text: string): void => this.peek(text);
    const client = connect({
      url: "ws://simulated",
      token: () => this.token(process),
      from: script.from,
      device: this.name.replace(" ", "-"),
      mergeDeltas: script.merges,
      ...(script.wants === "deltas" && { want: { types: ["agent_delta", "x.mail"] } }),
      ...(script.storage === "durable" && {
        storage: { load: () => app.cursor, save: (cursor) => app.save(cursor) },
      }),
      WebSocket: class extends SimSocket {
        constructor() {
          super(dial(), process, received);
        }
      },
      timers,
      random: chance.fraction,
      autoStart: false,
    });
    client.on("status", ({ lastError }) => {
      if (lastError?.message === "the server no longer answers")
        world.sometimes.note("a device finds its half-open link by itself");
      if (lastError?.message.startsWith("a hole")) world.violate("L4", `${this.name}: ${lastError.message}`);
    });
    client.on("run", (view) => this.look(process, client, view));
    if (script.reads === "at once") this.readAtOnce(client);
    else void this.readSlowly(process, client);
    client.start();
    return [process, client];
  }

  /** Another connection to whoever the balancer chooses. */
  private dial(): Link {
    const link = this.world.dial(this.line);
    this.link = link;
    return link;
  }

  private token(process: SimProcess): Promise<string> {
    const { time } = this.world;
    const isIll = !this.world.isHealed && this.chance.is(0.05);
    return new Promise((resolve, reject) => {
      time.after(this.chance.between(0, slowestTokenMs), `${this.name} token`, () =>
        process.enter("token", () => (isIll ? reject(new Error("the token server is ill")) : resolve(this.user))),
      );
    });
  }

  private peek(text: string): void {
    const frame = JSON.parse(text) as ServerFrame;
    if (frame.type === "snapshot") this.snapshotAt = frame.at;
    if (frame.type === "status" && frame.run?.stalled === false)
      this.world.sometimes.note("a run that was shown as stalled is heard again");
    if (frame.type !== "welcome") return;
    const { servedBy } = this.link ?? {};
    if (frame.resumed === "replayed" && this.world.fleet.areSeveral && (this.welcomedBy ?? servedBy) !== servedBy)
      this.world.sometimes.note("a device goes on at another node where it was");
    this.welcomedBy = servedBy;
    if (frame.resumed !== "fresh") return;
    this.app.begin(this.script.from === "start" ? 0 : frame.head, "nothing");
  }

  private readAtOnce(client: Client): void {
    client.on("event", (event) => this.app.take(event));
    client.on("gap", (gap) => this.app.takeGap(gap));
    client.on("snapshot", () => {
      this.world.sometimes.note("a device goes on after a snapshot");
      this.app.begin(this.snapshotAt, "snapshot");
    });
  }

  private async readSlowly(process: SimProcess, client: Client): Promise<void> {
    for await (const item of client.events({ gaps: true })) {
      if (item.type === "gap") this.app.takeGap(item);
      else this.app.take(item);
      const readMs = this.world.isHealed ? 0 : this.chance.between(0, slowestReadMs);
      await new Promise<void>((resolve) => {
        this.world.time.after(readMs, `${this.name} reads`, () => process.enter("reads", resolve));
      });
    }
  }

  /** Its user sees what is asked, and answers after some thought. */
  private look(process: SimProcess, client: Client, { approvals, state }: RunView): void {
    if (state !== "suspended") return;
    for (const { approvalId, decision } of approvals) {
      if (decision !== undefined || this.answered.has(approvalId)) continue;
      this.answered.add(approvalId);
      this.world.time.after(this.chance.between(0, thinksMs), `${this.name} answers`, () =>
        process.enter("user", () => this.answer(client, approvalId)),
      );
    }
  }

  private answer(client: Client, approvalId: string): void {
    const decision = this.chance.is(0.5) ? "approve" : "deny";
    client.resolveApproval(approvalId, decision).then(
      () => this.world.decided(approvalId, decision),
      (cause: unknown) => {
        if (!(cause instanceof CommandRefused)) this.answered.delete(approvalId);
        else if (cause.code === "already_resolved") this.world.sometimes.note("two devices answer one approval");
      },
    );
  }
}
