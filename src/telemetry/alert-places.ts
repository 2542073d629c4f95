/** Two places for the alert board's word: a file of its own, and a document of the log. */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { documentOf } from "../log/documents.ts";
import type { EventLog } from "../log/event-log.ts";
import type { AlertPlace } from "./alert-keep.ts";

const kind = "alerts";
const key = "board";

/**
 * The old text or the new one, whatever dies meanwhile. The place is that of now, whatever folder the process is in later:
 * in one that is gone Node would look for a relative path's parent for ever.
 */
export function alertFile(name: string): AlertPlace {
  const path = resolve(name);
  return {
    read: async () => {
      try {
        return await readFile(path, "utf8");
      } catch (cause) {
        if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
        throw cause;
      }
    },
    write: async (text) => {
      await mkdir(dirname(path), { recursive: true });
      const file = await open(`${path}.new`, "w", 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${path}.new`, path);
    },
  };
}

/** For a log that is not a file of ours. */
export function alertDocument(log: EventLog): AlertPlace {
  return {
    read: async () => (await documentOf(log, kind, key))?.value,
    write: async (value) => {
      await log.putDocument({ kind, key, value });
    },
  };
}
