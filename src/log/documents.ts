/**
 * Documents: the few small things beside the streams that must outlive the process and be the same for all who serve
 * the store: flags, revocations, push subscriptions. A kind and a key name one; its version settles who was first.
 */

export interface StoredDocument {
  readonly kind: string;
  readonly key: string;
  /** JSON text, given back to the letter. */
  readonly value: string;
  /** 1 when it was made, one more with every change. */
  readonly version: number;
}

export interface PutDocument {
  readonly kind: string;
  readonly key: string;
  /** Undefined removes it. */
  readonly value: string | undefined;
  /** Writes only if it stands at this version; 0: if there is none. Undefined: whatever is there. */
  readonly expected?: number | undefined;
}

export type PutAnswer =
  /** 0 when it was removed. */
  | { readonly kind: "written"; readonly version: number }
  /** Nothing was written: it stands at this version. */
  | { readonly kind: "version_conflict"; readonly version: number };

export interface DocumentsQuery {
  readonly kind: string;
  /** Only keys that begin with it. */
  readonly prefix?: string | undefined;
  /** Only keys behind it. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** The one with this very key. Fails: as `documents` does. */
export async function documentOf(
  log: { documents(query: DocumentsQuery): Promise<readonly StoredDocument[]> },
  kind: string,
  key: string,
): Promise<StoredDocument | undefined> {
  // Of all keys that begin with this one it is the first.
  const [found] = await log.documents({ kind, prefix: key, limit: 1 });
  return found?.key === key ? found : undefined;
}
