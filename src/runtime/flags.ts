/**
 * The feature flags of this store: one document with its version and the sets before it. Whoever wants to know asks
 * here each time, so a change holds from the moment it is durable, without a restart, and everywhere that shares the
 * store within a second. Every change is in the audit log.
 */
import type {
  FlagName,
  FlagPatch,
  FlagRule,
  FlagSet,
  FlagsAnswer,
  FlagValue,
  FlagValues,
  SwitchName,
} from "../../protocol/flags.ts";
import { checkFlags, flagNames } from "../../protocol/flags.ts";
import { parseTrusted } from "../../protocol/json.ts";
import type { AuditAction, AuditLog } from "../auth/audit-log.ts";
import { FlagsConflict, InvalidInput } from "../errors.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadlines } from "./deadlines.ts";
import type { FlagUser } from "./flag-rules.ts";
import { valueUnder } from "./flag-rules.ts";
import { Polled } from "./polled.ts";

export interface FlagsTerms {
  readonly log: EventLog;
  readonly journal: Journal;
  readonly auditLog: AuditLog;
  readonly deadlines: Deadlines;
  /** What holds where operators have set nothing. */
  readonly defaults: FlagValues;
}

/** What holds where nothing is said. */
export const defaultFlags: FlagValues = {
  batching: "asked",
  performanceMode: false,
  contaminationPolicy: "refuse",
  "fallbacks.spool": true,
  "fallbacks.direct": true,
  "fallbacks.webPush": true,
  "fallbacks.webhook": true,
  "fallbacks.email": true,
  "fallbacks.sms": true,
  "fallbacks.alert": true,
};

const kind = "flags";
const key = "current";
/** Sets that a rollback can reach. */
const maxPrevious = 20;
const maxDocumentChars = 1_048_576;
const maxAuditedChars = 300;

interface Past {
  readonly version: number;
  readonly set: FlagSet;
}
interface State {
  /** As it is stored: a newer version's flags stay in it. */
  readonly set: FlagSet;
  /** Newest first. */
  readonly previous: readonly Past[];
}

export class Flags {
  private readonly terms: FlagsTerms;
  private readonly listeners = new Set<() => void>();
  private state: State = { set: {}, previous: [] };
  /** 0: nobody has ever set one. */
  private version = 0;
  private rules: FlagsAnswer["flags"];
  private turn: Promise<unknown> = Promise.resolve();
  private isLoaded = false;
  private readonly polled: Polled;

  constructor(terms: FlagsTerms) {
    this.terms = terms;
    this.rules = rulesOf({}, terms.defaults);
    this.polled = new Polled({
      ...terms,
      read: () => this.read(),
      onFailed: (cause) => terms.journal.write("error", "flags.notRead", { cause }),
    });
  }

  /** Every flag with its rule. */
  get(): FlagsAnswer {
    return { flags: this.rules, version: this.version };
  }

  valueOf<Name extends FlagName>(name: Name, user?: FlagUser): FlagValues[Name] {
    // `rulesOf` puts only rules of this flag under its name.
    return valueUnder(name, this.rules[name], user) as FlagValues[Name];
  }

  isOn(name: SwitchName, tenantId?: string, userId?: string): boolean {
    return this.valueOf(name, tenantId === undefined ? undefined : { tenantId, userId });
  }

  /** Calls `task` after every change; the answer stops it. */
  onChange(task: () => void): () => void {
    this.listeners.add(task);
    return () => this.listeners.delete(task);
  }

  /** Reads what is stored; never rejects. A log that does not answer is asked again, and defaults hold meanwhile. */
  load(): Promise<void> {
    return this.polled.load();
  }

  /**
   * Changes what `patch` names, and nothing else; null is the default again.
   *
   * Fails: `InvalidInput` with what would be right, `FlagsConflict` when they stand at another version than `expected`
   * or somebody else was first, `LogUnavailable`. Nothing is changed then.
   */
  set(patch: unknown, by: string, expected?: number): Promise<FlagsAnswer> {
    const checked = checkFlags(patch);
    if (!checked.ok) return Promise.reject(new InvalidInput({ code: "invalid", ...checked.issue, known: flagNames }));
    return this.inTurn(async () => {
      await this.refresh(expected);
      const set = merged(this.state.set, checked.value);
      const changed = changes(this.state.set, set);
      if (changed.length === 0) return this.get();
      const previous = [{ version: this.version, set: this.state.set }, ...this.state.previous];
      return this.write({ set, previous }, "flags_changed", by, changed);
    });
  }

  /**
   * Puts back the set before this one, as a new version; once more goes further back.
   *
   * Fails: `FlagsConflict`, also when there is none before; `LogUnavailable`.
   */
  rollback(by: string, expected?: number): Promise<FlagsAnswer> {
    return this.inTurn(async () => {
      await this.refresh(expected);
      const [before, ...previous] = this.state.previous;
      if (before === undefined)
        throw new FlagsConflict({ version: this.version, message: "there is no set of flags before this one" });
      const changed = changes(this.state.set, before.set);
      return this.write({ set: before.set, previous }, "flags_rolled_back", by, changed, before.version);
    });
  }

  private async write(
    state: State,
    action: AuditAction,
    by: string,
    changed: readonly string[],
    restored?: number,
  ): Promise<FlagsAnswer> {
    const { log, auditLog, journal } = this.terms;
    const kept = { ...state, previous: state.previous.slice(0, maxPrevious) };
    while (kept.previous.length > 0 && JSON.stringify(kept).length > maxDocumentChars) kept.previous.pop();
    const put = { kind, key, value: JSON.stringify(kept), expected: this.version };
    const answer = await log.putDocument(put).catch((cause: unknown) => {
      // It may be there.
      this.polled.soon();
      throw cause;
    });
    if (answer.kind === "version_conflict") throw conflict(answer.version);
    this.adopt(kept, answer.version);
    const values = changed.map((name) => [
      name,
      (JSON.stringify(kept.set[name as FlagName]) ?? "default").slice(0, maxAuditedChars),
    ]);
    const details = { version: answer.version, ...(restored !== undefined && { restored }) };
    auditLog.record({ action, by, details: { ...details, ...Object.fromEntries(values) } });
    journal.write("info", "flags.changed", { by, changed, ...details });
    return this.get();
  }

  private async read(): Promise<void> {
    await this.inTurn(() => this.refresh());
    this.isLoaded = true;
  }

  private async refresh(expected?: number): Promise<void> {
    const found = await this.terms.log.documents({ kind, limit: 1 });
    const document = found.find((each) => each.key === key);
    const version = document?.version ?? 0;
    if (version !== this.version) {
      this.adopt(document === undefined ? { set: {}, previous: [] } : (parseTrusted(document.value) as State), version);
      if (this.isLoaded) this.terms.journal.write("info", "flags.changedElsewhere", { version });
    }
    if (expected !== undefined && expected !== version) throw conflict(version);
  }

  private adopt(state: State, version: number): void {
    this.state = state;
    this.version = version;
    this.rules = rulesOf(state.set, this.terms.defaults);
    for (const task of this.listeners) task();
  }

  /** One change at a time: each stands on the one before. */
  private inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    const answer = this.turn.then(work);
    this.turn = answer.catch(() => {});
    return answer;
  }
}

function conflict(version: number): FlagsConflict {
  return new FlagsConflict({ version, message: `the flags are at version ${version}: read them again` });
}

/** Rules that this version cannot read, because another one wrote them, are as by default. */
function rulesOf(set: FlagSet, defaults: FlagValues): FlagsAnswer["flags"] {
  const ruleOf = (name: FlagName): FlagRule<FlagValue> => {
    const rule = set[name];
    return rule !== undefined && checkFlags({ [name]: rule }).ok ? rule : defaults[name];
  };
  return Object.fromEntries(flagNames.map((name) => [name, ruleOf(name)])) as FlagsAnswer["flags"];
}

function merged(set: FlagSet, patch: FlagPatch): FlagSet {
  const entries = Object.entries({ ...set, ...patch });
  return Object.fromEntries(entries.filter(([, rule]) => rule !== null && rule !== undefined));
}

function changes(before: FlagSet, now: FlagSet): readonly string[] {
  const names = Object.keys({ ...before, ...now }) as FlagName[];
  return names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(now[name]));
}
