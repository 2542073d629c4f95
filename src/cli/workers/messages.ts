/** What travels between the primary of `serve --workers` and a worker, both ways. Plain JSON, between processes of one kind. */
import type { AuditEntry, AuditPage } from "../../auth/audit-log.ts";
import type { Colleagues } from "../../gateway/desk.ts";
import type { Alert } from "../../telemetry/alerts.ts";
import type { Collected } from "../../telemetry/prometheus.ts";

export type ToPrimary =
  /** It listens to its primary: nothing is said to it before. */
  | { readonly kind: "here" }
  | { readonly kind: "ready"; readonly url: string }
  | { readonly kind: "audit"; readonly entry: AuditEntry }
  | { readonly kind: "ask.audit"; readonly id: number; readonly after: number; readonly limit: number }
  | { readonly kind: "ask.colleagues"; readonly id: number }
  | { readonly kind: "figures"; readonly id: number; readonly samples: Collected };

export interface Begin {
  readonly kind: "begin";
  /** Its place, from 1. */
  readonly worker: number;
  readonly port: number;
  /** The primary writes the audit log. */
  readonly hasAudit: boolean;
}

export interface Drain {
  readonly kind: "drain";
  /** Another has taken its place: new connections are for the others at once. */
  readonly isReplaced: boolean;
}

export type ToWorker =
  | Begin
  | Drain
  | { readonly kind: "ask.figures"; readonly id: number }
  | { readonly kind: "audit.page"; readonly id: number; readonly page?: AuditPage | undefined }
  | { readonly kind: "colleagues"; readonly id: number; readonly colleagues?: Colleagues | undefined }
  | { readonly kind: "alert.raise"; readonly alert: Alert }
  | { readonly kind: "alert.resolve"; readonly name: string; readonly labels?: Alert["labels"] };
