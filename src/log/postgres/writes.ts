/** The writes beside the append, and the reads of what they wrote: cursors, documents, outbox and dead letters. */
import { asRunId, asTenantId, asUserId, type StreamKey, streamKey, streamOwner } from "../../../protocol/ids.ts";
import { parseTrusted } from "../../../protocol/json.ts";
import type { Clock } from "../../platform/clock.ts";
import type { DeadLetter } from "../dead-letter.ts";
import type { StoredDocument } from "../documents.ts";
import type { EventLog } from "../event-log.ts";
import { lostReason } from "../lost-offsets.ts";
import type { OutboxMoved, OutboxRow, OutboxState } from "../outbox.ts";
import { pageAfter, pageBefore } from "../page-place.ts";
import { runsPage } from "../runs-page.ts";
import type { Statement } from "./connection.ts";
import type { Lost } from "./chunk-row.ts";

export interface OutboxColumns {
  readonly stream: string;
  readonly at_offset: number;
  readonly place: number;
  readonly event_id: string;
  readonly type: string;
  readonly run_id: string | null;
  readonly thread: string | null;
  readonly time: string;
  readonly state: OutboxState;
  readonly note: string;
  readonly version: number;
}

export interface LetterColumns {
  readonly stream: string;
  readonly place: number;
  readonly kind: DeadLetter["kind"];
  readonly tenant: string;
  readonly run_id: string | null;
  readonly type: string | null;
  readonly data: string | null;
  readonly from_offset: number | null;
  readonly upto_offset: number | null;
  readonly events: number | null;
  readonly reason: string;
  readonly time: string;
}

export interface WriteTerms {
  readonly schema: string;
  readonly ask: <Row>(statement: Statement) => Promise<Row[]>;
  readonly clock: Clock;
}

type Writes = Pick<
  EventLog,
  "saveCursors" | "quarantine" | "deadLetters" | "putDocument" | "documents" | "outbox" | "moveOutbox"
> & {
  readonly bury: (lost: readonly Lost[]) => Promise<void>;
  readonly probe: () => Promise<void>;
};

export function postgresWrites({ schema, ask, clock }: WriteTerms): Writes {
  const prepared = (name: string, text: string, ...values: unknown[]): Statement => ({
    ...{ name: `${schema}.${name}`, text, values },
  });

  return {
    saveCursors: async (cursors) => {
      if (cursors.length === 0) return void (await ask({ text: "SELECT 1" }));
      const saved = JSON.stringify(cursors.map(({ stream, device, offset }) => ({ s: stream, d: device, o: offset })));
      await ask(prepared("saveCursors", `SELECT ${schema}.save_cursors($1::jsonb)`, saved));
    },
    quarantine: async ({ stream, tenantId, runId, type, data, reason, time }) => {
      await ask(
        prepared(
          "quarantine",
          `INSERT INTO ${schema}.letters (stream, place, kind, tenant, run_id, type, data, reason, time)
           VALUES ($1, nextval('${schema}.places'), 'quarantined', $2, $3, $4, $5, $6, $7)`,
          ...[stream, tenantId, runId, type, data, storable(reason), time],
        ),
      );
    },
    bury: async (lost) => {
      const time = new Date(clock.now()).toISOString();
      for (const { stream, from, upto, isBefore } of lost) {
        const values = [stream, streamOwner(stream).tenantId, from, upto, lostReason, time, isBefore];
        await ask(prepared("bury", `SELECT ${schema}.bury($1, $2, $3, $4, $5, $6, $7)`, ...values));
      }
    },
    deadLetters: async ({ tenantId, stream, runId, before, limit }) => {
      const [wanted, values] = conditions([
        ["place <", pageBefore(before)],
        ["tenant =", tenantId],
        ["stream =", stream],
        ["run_id =", runId],
      ]);
      const text = `SELECT * FROM ${schema}.letters WHERE ${wanted} ORDER BY place DESC LIMIT $${values.length + 1}`;
      const rows = await ask<LetterColumns>({ text, values: [...values, limit + 1] });
      const { page, next } = runsPage(rows, limit);
      return { entries: page.map(letterOf), next };
    },
    putDocument: async ({ kind, key, value, expected }) => {
      const values = [kind, key, value ?? null, expected ?? null];
      const text = `SELECT written, version FROM ${schema}.put($1, $2, $3, $4)`;
      const [row] = await ask<{ written: boolean; version: number }>(prepared("put", text, ...values));
      if (row === undefined) throw new Error("the database left an answer out");
      return { kind: row.written ? "written" : "version_conflict", version: row.version };
    },
    documents: async ({ kind, prefix = "", after = "", limit }) => {
      const text = `SELECT key, value, version FROM ${schema}.documents
        WHERE kind = $1 AND key > $2 AND starts_with(key, $3) AND key >= $3 ORDER BY key LIMIT $4`;
      const rows = await ask<Omit<StoredDocument, "kind">>(prepared("documents", text, kind, after, prefix, limit));
      return rows.map(({ key, value, version }) => ({ kind, key, value, version }));
    },
    outbox: async ({ tenantId, stream, states, after, limit }) => {
      const [wanted, values] = conditions([
        ["place >", pageAfter(after) ?? 0],
        ["stream =", stream],
        // How the keys of all its streams begin, and of no other's.
        ["starts_with(stream, ", tenantId === undefined ? undefined : streamKey(tenantId, asUserId("")), ")"],
        ["state = ANY(", states, "::text[])"],
      ]);
      const open = states?.includes("told") === false ? "AND state <> 'told'" : "";
      const text = `SELECT * FROM ${schema}.outbox WHERE ${wanted} ${open} ORDER BY place LIMIT $${values.length + 1}`;
      const rows = await ask<OutboxColumns>({ text, values: [...values, limit + 1] });
      const { page, next } = runsPage(rows, limit);
      return { rows: page.map(outboxRowOf), next };
    },
    moveOutbox: async ({ stream, offset, version, to, note, unlessAcked }) => {
      const text = `SELECT ${schema}.move_outbox($1, $2, $3, $4, $5, $6)::text AS moved`;
      const values = [stream, offset, version, to ?? null, note ?? null, unlessAcked === true];
      const [row] = await ask<{ moved: string }>(prepared("moveOutbox", text, ...values));
      const { kind, row: moved } = parseTrusted(row?.moved ?? "null") as {
        readonly kind: OutboxMoved["kind"];
        readonly row?: OutboxColumns | null;
      };
      if (kind === "acked") return { kind };
      return { kind, row: moved === undefined || moved === null ? undefined : outboxRowOf(moved) };
    },
    probe: async () => {
      const text = `SELECT ${schema}.put('probe', 'probe', $1, NULL)`;
      await ask(prepared("probe", text, String(clock.now())));
    },
  };
}

/** A reason quotes what somebody wrote; PostgreSQL keeps no U+0000. */
const storable = (text: string): string => text.replaceAll("\0", "\ufffd");

type Condition = readonly [before: string, value: unknown, behind?: string];

/** Those that have a value, and their values. */
function conditions(all: readonly Condition[]): [wanted: string, values: unknown[]] {
  const said = all.filter(([, value]) => value !== undefined);
  const wanted = said.map(([before, , behind = ""], at) => `${before} $${at + 1}${behind}`);
  return [wanted.length === 0 ? "true" : wanted.join(" AND "), said.map(([, value]) => value)];
}

export function outboxRowOf(row: OutboxColumns): OutboxRow {
  const { stream, at_offset: offset, event_id: eventId, type, run_id: run, thread, time, state, note, version } = row;
  return {
    ...{ stream: stream as StreamKey, offset, eventId, type, runId: run === null ? undefined : asRunId(run) },
    ...{ threadId: thread ?? undefined, time, state, note, version },
  };
}

export function letterOf(row: LetterColumns): DeadLetter {
  const { kind, reason, time } = row;
  const whose = { stream: row.stream as StreamKey, tenantId: asTenantId(row.tenant), reason, time };
  if (kind === "quarantined") {
    return { kind, ...whose, runId: asRunId(row.run_id ?? ""), type: row.type ?? "", data: row.data ?? "" };
  }
  return { kind, ...whose, from: row.from_offset ?? 0, upto: row.upto_offset ?? 0, events: row.events ?? 0 };
}
