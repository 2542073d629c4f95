/**
 * The application's own connection, inside its own transaction, of whichever driver: what `publishIn` reads and writes
 * through. Rows come as JSON text, so that no driver's idea of numbers matters; nothing of the session is changed.
 */
import { parseTrusted } from "../../../protocol/json.ts";
import type { Statement } from "./connection.ts";

/** A client of the package `pg` after `BEGIN`, or what lends one. */
export interface PgTransaction {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/** The `sql` that `begin` of the package `postgres` hands to its callback. */
export interface PostgresTransaction {
  unsafe(text: string, parameters: never[]): PromiseLike<readonly unknown[]>;
}

export type TransactionClient = PgTransaction | PostgresTransaction;

/** One statement of this side; what the database says to it is the driver's error, as the application knows it. */
export type AskIn = <Row>(statement: Statement) => Promise<Row[]>;

export function askIn(client: TransactionClient): AskIn {
  return async <Row>({ text, values = [] }: Statement) => {
    const wrapped = `SELECT row_to_json(answered)::text AS row FROM (${text}) AS answered`;
    const rows = await rowsOf(client, wrapped, [...values]);
    return rows.map((row) => parseTrusted((row as { readonly row: string }).row) as Row);
  };
}

async function rowsOf(client: TransactionClient, text: string, values: unknown[]): Promise<readonly unknown[]> {
  // That driver's own types: what it sends is checked by the database.
  if ("unsafe" in client) return client.unsafe(text, values as never[]);
  return (await client.query(text, values)).rows;
}
