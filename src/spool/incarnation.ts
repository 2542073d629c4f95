/**
 * The epoch that readers are shown. It is the log's own until a history was handed out that the log will never have:
 * events without durability that died with their process, or events that took another place than they were promised. Then
 * it is a new one, kept as a document of the log, and who comes with the old one is told (L4, L7).
 */
import type { Epoch } from "../../protocol/ids.ts";
import { asEpoch } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import { newEpoch } from "../log/epoch.ts";
import type { EventLog } from "../log/event-log.ts";

const name = { kind: "incarnation", key: "log" } as const;
/** Causes that are remembered: who comes with an older one is told `epoch`. */
const maxLostEpochs = 8;

interface Renewed {
  /** Of the log, under which this holds. */
  readonly of: Epoch;
  readonly epoch: Epoch;
  /** Newest first. */
  readonly lost: readonly Epoch[];
}

export class Incarnation {
  readonly #log: EventLog;
  readonly #random: (count: number) => Uint8Array;
  #renewed: Renewed | undefined;

  constructor(log: EventLog, random: (count: number) => Uint8Array) {
    this.#log = log;
    this.#random = random;
  }

  /** Fails: `LogUnavailable`. */
  async load(): Promise<void> {
    const [found] = await this.#log.documents({ kind: name.kind, limit: 1 });
    this.#renewed = found && (parseTrusted(found.value) as Renewed);
  }

  /** Readers are shown the log's own epoch. */
  get isLogs(): boolean {
    return this.#renewed === undefined;
  }

  /** What readers are shown for an epoch of the log. */
  epoch(ofLog: Epoch): Epoch {
    return this.#renewed?.of === ofLog ? this.#renewed.epoch : ofLog;
  }

  /** An answer of the log, as readers are shown it. */
  shown<Answer extends { readonly epoch: Epoch }>(answer: Answer): Answer {
    const renewed = this.#renewed;
    if (renewed?.of !== answer.epoch) return answer;
    const { epoch, lost } = renewed;
    return { ...answer, epoch, ...(lost.length > 0 && "first" in answer && { lostEpochs: lost }) };
  }

  /** `isLoss`: all that differs is that events without durability are gone. Fails: `LogUnavailable`, `LogFull`. */
  async renew(ofLog: Epoch, isLoss: boolean): Promise<void> {
    const before = this.#renewed?.of === ofLog ? this.#renewed.lost : [];
    const lost = isLoss ? [this.epoch(ofLog), ...before].slice(0, maxLostEpochs) : before;
    const renewed: Renewed = { of: ofLog, epoch: asEpoch(newEpoch(this.#random)), lost };
    await this.#log.putDocument({ ...name, value: JSON.stringify(renewed) });
    this.#renewed = renewed;
  }
}
