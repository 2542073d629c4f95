/**
 * A worker's side of the line to its primary: what it is told to do, and the audit log and the figures of the others
 * that it has through it. Without its primary a worker ends; `node:cluster` sees to that.
 */
import type { AuditLog, AuditPage } from "../../auth/audit-log.ts";
import type { Colleagues } from "../../gateway/desk.ts";
import type { RunningServer } from "../../server.ts";
import { systemClock } from "../../platform/clock.ts";
import type { Begin, Drain, ToPrimary, ToWorker } from "./messages.ts";
import { Questions } from "./questions.ts";

/** Longer than the primary itself waits for others. */
const answerLimitMs = 2_000;
const emptyPage: AuditPage = { entries: [], next: null };

export class PrimaryLink {
  readonly begun: Promise<Begin>;
  readonly drained: Promise<Drain>;
  private readonly pages = new Questions<AuditPage>(systemClock, answerLimitMs);
  private readonly figures = new Questions<Colleagues>(systemClock, answerLimitMs);
  /** Alerts of the primary that came before there was a server to tell them. */
  private readonly early: ToWorker[] = [];
  private server: RunningServer | undefined;

  constructor() {
    const begun = Promise.withResolvers<Begin>();
    const drained = Promise.withResolvers<Drain>();
    this.begun = begun.promise;
    this.drained = drained.promise;
    process.on("message", (message: ToWorker) => {
      if (message.kind === "begin") begun.resolve(message);
      else if (message.kind === "drain") drained.resolve(message);
      else this.hear(message);
    });
    this.tell({ kind: "here" });
  }

  /** Writes through the primary: of a file that is a chain there is one writer. */
  readonly audit: AuditLog = {
    record: (entry) => this.tell({ kind: "audit", entry }),
    read: async ({ after, limit, sees }) => {
      const page = (await this.pages.ask((id) => this.tell({ kind: "ask.audit", id, after, limit }))) ?? emptyPage;
      return { ...page, entries: page.entries.filter(sees) };
    },
  };

  readonly colleagues = (): Promise<Colleagues | undefined> =>
    this.figures.ask((id) => this.tell({ kind: "ask.colleagues", id }));

  ready(server: RunningServer): void {
    this.server = server;
    for (const message of this.early.splice(0)) this.hear(message);
    this.tell({ kind: "ready", url: server.url });
  }

  /** Lets the process end when nothing else holds it. */
  release(): void {
    process.channel?.unref();
  }

  private tell(message: ToPrimary): void {
    if (process.connected) process.send?.(message, () => {});
  }

  private hear(message: ToWorker): void {
    const { server } = this;
    if (message.kind === "audit.page") return this.pages.answer(message.id, message.page);
    if (message.kind === "colleagues") return this.figures.answer(message.id, message.colleagues);
    if (server === undefined) this.early.push(message);
    else if (message.kind === "ask.figures")
      this.tell({ kind: "figures", id: message.id, samples: server.collected() });
    else if (message.kind === "alert.raise") server.alerts.raise(message.alert);
    else if (message.kind === "alert.resolve") server.alerts.resolve(message.name, message.labels);
  }
}
