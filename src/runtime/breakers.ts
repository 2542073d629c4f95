/**
 * The circuit breakers of the process: one machine (`machines/circuit-breaker`) before each thing that can fail, spawned
 * and owned by the supervisor, timed by the deadline wheel. Whoever calls such a thing calls it through its breaker.
 */
import type { Actor } from "xstate";
import type { BreakerFact, BreakerSettings, BreakerState } from "../../machines/circuit-breaker.ts";
import { breakerHealth, breakerPermission, circuitBreakerMachine } from "../../machines/circuit-breaker.ts";
import type { Clock } from "../platform/clock.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import type { Supervisor } from "./supervisor.ts";

/** What a breaker shows: to operators, metrics, and clients whom it concerns. */
export interface BreakerView {
  readonly name: string;
  readonly state: BreakerState;
  /** 0 (open) to 100; derived, never stored. */
  readonly health: number;
  /** In a row. */
  readonly failures: number;
  /** How often it has opened since the process began. */
  readonly openedCount: number;
  /** Milliseconds since 1970, when it came into this state. */
  readonly changedAtMs: number;
  /** Until it is tried again; only while it is open. */
  readonly retryAfterMs?: number | undefined;
  readonly settings: BreakerSettings;
}

/** The call was not made: its breaker is open, or its probes are under way. */
export class CircuitOpen extends Error {
  /** Its words are ours: the journal shows them. */
  readonly _tag = "CircuitOpen";
  readonly breaker: string;
  readonly retryAfterMs: number;

  constructor(breaker: string, retryAfterMs: number) {
    super(`the breaker "${breaker}" is open`);
    this.name = "CircuitOpen";
    this.breaker = breaker;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A call that was let through. The first of its functions that is called counts, and no other after it. */
export interface Passage {
  succeeded(): void;
  failed(): void;
  /** It was given up before it could tell: it counts for nothing. */
  dropped(): void;
}

export interface BreakersTerms {
  readonly supervisor: Supervisor;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  /** Of one breaker, on top of the machine's defaults. */
  readonly settingsOf?: ((name: string) => Partial<BreakerSettings> | undefined) | undefined;
  /** A breaker came into another state. */
  readonly onTurn?: ((view: BreakerView, before: BreakerState) => void) | undefined;
}

export class Breaker {
  readonly name: string;
  private readonly terms: BreakersTerms;
  private readonly actor: Actor<typeof circuitBreakerMachine>;
  private openedCount = 0;
  private changedAtMs: number;
  private reopening: Deadline | undefined;
  private reopensAtMono = 0;

  /** @internal `Breakers` makes them. */
  constructor(name: string, terms: BreakersTerms) {
    this.name = name;
    this.terms = terms;
    this.changedAtMs = terms.clock.now();
    const input = terms.settingsOf?.(name) ?? {};
    this.actor = terms.supervisor.spawn(circuitBreakerMachine, { id: `breaker.${name}`, input }).start();
  }

  get state(): BreakerState {
    return this.actor.getSnapshot().value;
  }

  get health(): number {
    return breakerHealth(this.actor.getSnapshot());
  }

  get view(): BreakerView {
    const { value: state, context } = this.actor.getSnapshot();
    const { name, openedCount, changedAtMs, health } = this;
    const { failures, settings } = context;
    const common = { name, state, health, failures, openedCount, changedAtMs, settings };
    return state === "open" ? { ...common, retryAfterMs: this.retryAfterMs } : common;
  }

  /** Whether a call would pass now. */
  get lets(): boolean {
    return breakerPermission(this.actor.getSnapshot()) !== "refused";
  }

  private get retryAfterMs(): number {
    return Math.max(0, Math.ceil(this.reopensAtMono - this.terms.clock.mono()));
  }

  /** Lets a call through, or undefined: not now. */
  enter(): Passage | undefined {
    const permission = breakerPermission(this.actor.getSnapshot());
    if (permission === "refused") return undefined;
    const isProbe = permission === "probe";
    if (isProbe) this.send({ type: "probe.taken" });
    const { round } = this.actor.getSnapshot().context;
    let isOver = false;
    const tell = (fact: BreakerFact): void => {
      if (!isOver) this.send(fact);
      isOver = true;
    };
    return {
      succeeded: () => {
        const { value, context } = this.actor.getSnapshot();
        // Most calls: the machine has nothing to forget.
        if (value === "closed" && context.failures === 0) isOver = true;
        else tell({ type: "call.succeeded", round });
      },
      failed: () => tell({ type: "call.failed", round }),
      // Of a call that was no probe nothing was counted: the machine lets it go.
      dropped: () => tell({ type: "probe.dropped", round }),
    };
  }

  /**
   * Makes a call if it may pass.
   *
   * `isFailure`: whether what was thrown speaks against the thing behind the breaker, and not against the call. Fails:
   * `CircuitOpen` without calling; else as the call does.
   */
  async run<Value>(call: () => Promise<Value>, isFailure: (cause: unknown) => boolean = () => true): Promise<Value> {
    const passage = this.enter();
    if (passage === undefined) throw new CircuitOpen(this.name, this.retryAfterMs);
    let value: Value;
    try {
      value = await call();
    } catch (cause) {
      // A judge that throws must not leave a probe under way for ever.
      let speaksAgainstIt = true;
      try {
        speaksAgainstIt = isFailure(cause);
      } finally {
        if (speaksAgainstIt) passage.failed();
        else passage.succeeded();
      }
      throw cause;
    }
    passage.succeeded();
    return value;
  }

  /** By hand: closed, its failures forgotten. */
  reset(): void {
    this.send({ type: "reset.requested" });
  }

  private send(fact: BreakerFact): void {
    const before = this.actor.getSnapshot().value;
    this.actor.send(fact);
    const { value: now, context } = this.actor.getSnapshot();
    if (now === before) return;
    this.changedAtMs = this.terms.clock.now();
    this.reopening?.cancel();
    this.reopening = undefined;
    if (now === "open") {
      this.openedCount += 1;
      const { openMs } = context.settings;
      this.reopensAtMono = this.terms.clock.mono() + openMs;
      this.reopening = this.terms.deadlines.after(openMs, () => this.send({ type: "openMs.passed" }));
    }
    this.terms.onTurn?.(this.view, before);
  }
}

/** All of them, by name: made by who first asks, there until the process ends. */
export class Breakers {
  private readonly terms: BreakersTerms;
  private readonly byName = new Map<string, Breaker>();

  constructor(terms: BreakersTerms) {
    this.terms = terms;
  }

  of(name: string): Breaker {
    const known = this.byName.get(name);
    if (known) return known;
    const made = new Breaker(name, this.terms);
    this.byName.set(name, made);
    return made;
  }

  /** Undefined: there is none of that name. */
  find(name: string): Breaker | undefined {
    return this.byName.get(name);
  }

  views(): readonly BreakerView[] {
    return [...this.byName.values()].map((breaker) => breaker.view);
  }
}
