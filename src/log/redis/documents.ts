/** The documents of the Redis log: all of a kind in one slot, in the order of their keys' bytes. */
import type { StreamKey } from "../../../protocol/ids.ts";
import type { DocumentsQuery, PutAnswer, PutDocument, StoredDocument } from "../documents.ts";
import { tierKind } from "../housekeeping.ts";
import type { IndexCalls } from "./index-calls.ts";
import { documentsScript, namedScript, putScript } from "./index-scripts.ts";

export async function putDocument(index: IndexCalls, put: PutDocument): Promise<PutAnswer> {
  const { kind, key, value, expected } = put;
  const args = [key, value ?? "", value === undefined ? "1" : "0", expected === undefined ? "" : String(expected)];
  const [word, version] = await index.write(index.keys.documents(kind), putScript, ...args);
  return { kind: word === "written" ? "written" : "version_conflict", version: Number(version) };
}

export async function documentsOf(index: IndexCalls, query: DocumentsQuery): Promise<readonly StoredDocument[]> {
  const { kind, prefix = "", after = "", limit } = query;
  // The order of bytes in UTF-8 is that of code points.
  const isBehind = after !== "" && Buffer.compare(Buffer.from(after), Buffer.from(prefix)) >= 0;
  const from = isBehind ? `(${after}` : prefix === "" ? "-" : `[${prefix}`;
  const words = await index.read(index.keys.documents(kind), documentsScript, prefix, from, String(limit));
  const found: StoredDocument[] = [];
  for (let at = 0; at + 2 < words.length; at += 3) {
    const [key = "", version, value = ""] = words.slice(at, at + 3);
    found.push({ kind, key, value, version: Number(version) });
  }
  return found;
}

/** Of these streams, the values of the documents that say which tier their owners' credentials named. */
export async function tierClaims(
  index: IndexCalls,
  streams: readonly StreamKey[],
): Promise<ReadonlyMap<StreamKey, string>> {
  const values = await index.read(index.keys.documents(tierKind), namedScript, ...streams);
  const claimed = streams.map((stream, at) => [stream, values[at] ?? ""] as const);
  return new Map(claimed.filter(([, value]) => value !== ""));
}
