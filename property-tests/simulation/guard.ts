/**
 * Watches over the one thing that would make seeds worthless: a clock, timer or die of the real world inside the
 * simulated one (I20). While it stands, every such call is let through and named, with the place that made it.
 */
import nodeCrypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

/** Our files and the engines below them; a test runner around us may do what it likes. */
const ours = /\/(src|machines|protocol|simulation)\/|\/node_modules\/(xstate|effect|zod)\//;
const itself = "/simulation/guard.ts";

type Place = { [name: string]: (...args: never[]) => unknown };

const watched: readonly (readonly [place: object, name: string])[] = [
  [Math, "random"],
  [Date, "now"],
  [performance, "now"],
  [globalThis, "setTimeout"],
  [globalThis, "setInterval"],
  [globalThis, "setImmediate"],
  [globalThis.crypto, "randomUUID"],
  [globalThis.crypto, "getRandomValues"],
  [nodeCrypto, "randomBytes"],
  [nodeCrypto, "randomUUID"],
  [nodeCrypto, "randomInt"],
];

export class Guard {
  private readonly leaks = new Set<string>();
  private readonly undo: (() => void)[] = [];

  /** Stands from here to `dismiss`. */
  post(): this {
    for (const [place, name] of watched) this.watch(place as Place, name);
    this.watchDates();
    syncBuiltinESMExports();
    return this;
  }

  dismiss(): void {
    for (const each of this.undo.splice(0)) each();
    syncBuiltinESMExports();
  }

  /** What has leaked since it was asked last. */
  taken(): readonly string[] {
    const leaks = [...this.leaks];
    this.leaks.clear();
    return leaks;
  }

  private watch(place: Place, name: string): void {
    const original = place[name];
    if (original === undefined) return;
    const note = (): void => this.note(name);
    const own = Object.getOwnPropertyDescriptor(place, name);
    Object.defineProperty(place, name, {
      configurable: true,
      writable: true,
      value: (...args: never[]) => {
        note();
        return original.apply(place, args);
      },
    });
    this.undo.push(() => {
      if (own) Object.defineProperty(place, name, own);
      else delete place[name];
    });
  }

  /** `new Date()` reads the clock; `new Date(ms)` does not. */
  private watchDates(): void {
    const Original = globalThis.Date;
    const note = (): void => this.note("new Date()");
    globalThis.Date = new Proxy(Original, {
      construct: (target, args: [], newTarget) => {
        if (args.length === 0) note();
        return Reflect.construct(target, args, newTarget) as object;
      },
    });
    this.undo.push(() => {
      globalThis.Date = Original;
    });
  }

  private note(what: string): void {
    const frames = (new Error(what).stack ?? "").split("\n").slice(1);
    const caller = frames.find((frame) => !frame.includes(itself) && !frame.includes("node:internal"));
    if (caller !== undefined && ours.test(caller)) this.leaks.add(`${what} ${caller.trim()}`);
  }
}
