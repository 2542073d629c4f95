/** What a built server told its operator: the lines of its journal and the figures at `/metrics`. */
import type { BuiltServer } from "../built-server.ts";
import { call } from "../http-reader.ts";

export interface JournalLine {
  readonly time: string;
  readonly level: string;
  readonly what: string;
  readonly [field: string]: unknown;
}

export function journalLines({ stderr }: BuiltServer, what: string): JournalLine[] {
  return stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as JournalLine)
    .filter((line) => line.what === what);
}

/** The value of a metric; NaN when there is none. */
export async function metric(url: string, name: string): Promise<number> {
  const { text } = await call(url, "GET /metrics");
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? Number.NaN);
}
