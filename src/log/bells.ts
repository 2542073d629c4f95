/** The listeners of a log. An adapter rings once per append, after its commit and before its promise resolves. */
import type { Bell } from "./event-log.ts";

export interface Bells {
  ring(bell: Bell): void;
  watch(listener: (bell: Bell) => void): () => void;
  clear(): void;
}

/** A listener that throws is a bug of its owner: `onBug` hears of it, the log and the other listeners go on. */
export function bells(onBug: (error: unknown) => void = warnOfBug): Bells {
  const listeners = new Set<{ readonly hear: (bell: Bell) => void }>();
  return {
    ring(bell) {
      for (const { hear } of listeners) {
        try {
          hear(bell);
        } catch (error) {
          onBug(error);
        }
      }
    },
    watch(hear) {
      // Its own object: the same function may be registered twice, and each is removed by its own answer.
      const listener = { hear };
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    clear: () => listeners.clear(),
  };
}

function warnOfBug(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
