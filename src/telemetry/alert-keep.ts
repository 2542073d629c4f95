/**
 * Where the alert board's word outlives the process: one small text, always written whole, a change at a time, behind
 * which the board never waits. A place that does not take it is asked again with the next change.
 */
import { parseTrusted } from "../../protocol/json.ts";
import type { ToldAlert } from "./alerts.ts";
import type { Journal } from "./journal.ts";

/** Holds one text: PORT. A file beside the store, or a document of the log. */
export interface AlertPlace {
  read(): Promise<string | undefined>;
  write(text: string): Promise<void>;
}

export interface KeptAlerts {
  readonly active: readonly ToldAlert[];
  /** By sink. */
  readonly waiting: Readonly<Record<string, readonly ToldAlert[]>>;
}

export class AlertKeep {
  private readonly place: AlertPlace;
  private readonly journal: Journal;
  private isFailing = false;
  private written = "";
  private next: (() => KeptAlerts) | undefined;
  private underWay: Promise<void> | undefined;

  constructor(place: AlertPlace, journal: Journal) {
    this.place = place;
    this.journal = journal;
  }

  /** What a former process left; undefined when there is nothing, or nothing that can be read. Never rejects. */
  async load(): Promise<KeptAlerts | undefined> {
    try {
      const text = await this.place.read();
      return text === undefined ? undefined : keptOf(text);
    } catch (cause) {
      this.journal.write("warn", "alert.keepUnreadable", { cause });
      return undefined;
    }
  }

  /** Resolves when the newest word at that time is written, or could not be. Never rejects. */
  save(kept: () => KeptAlerts): Promise<void> {
    this.next = kept;
    this.underWay ??= this.write().finally(() => {
      this.underWay = undefined;
    });
    return this.underWay;
  }

  private async write(): Promise<void> {
    // What changes within one turn is one word.
    await Promise.resolve();
    while (this.next !== undefined) {
      const text = JSON.stringify(this.next());
      this.next = undefined;
      if (text === this.written) continue;
      try {
        await this.place.write(text);
        this.written = text;
        this.isFailing = false;
      } catch (cause) {
        if (!this.isFailing) this.journal.write("error", "alert.notKept", { cause });
        this.isFailing = true;
      }
    }
  }
}

/** Our own text; what somebody else has made of it is none. */
function keptOf(text: string): KeptAlerts {
  const { active, waiting } = parseTrusted(text) as KeptAlerts;
  if (![active, ...Object.values(waiting)].every((list) => Array.isArray(list) && list.every(isTold)))
    throw new Error("it does not hold alerts");
  return { active, waiting };
}

const isTold = ({ name, severity, summary, startedAt }: ToldAlert): boolean =>
  [name, severity, summary, startedAt].every((field) => typeof field === "string");
